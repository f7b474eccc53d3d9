"""uvicorn's protocol, with each reply sent by one system call: a client is woken once, and not for the head alone.

uvicorn writes the head and the body of a reply one after the other, and asyncio sends each write at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGE_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # as uvicorn writes it


class CorkedProtocol(HttpToolsProtocol):
    """Hands its transport over corked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._cork = Cork(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, self._cork))

    def on_response_complete(self) -> None:
        """uvicorn's: the last byte of a reply has been written."""
        self._cork.flush()
        super().on_response_complete()


class Cork:
    """A transport that gathers small writes until it is told to send them: a reply's head, and parts of its body."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._gathered: list[Any] = []

    def write(self, data: Any) -> None:
        """Gather; send at once what is large, or no reply yet."""
        self._gathered.append(data)
        if len(data) >= LARGE_BYTES or data == CONTINUE:
            self.flush()

    def writelines(self, parts: Iterable[Any]) -> None:
        """As `write`."""
        for part in parts:
            self.write(part)

    def flush(self) -> None:
        """Send what is gathered."""
        gathered, self._gathered = self._gathered, []
        if len(gathered) == 1:
            self._transport.write(gathered[0])
        elif gathered:
            self._transport.writelines(gathered)

    def close(self) -> None:
        """Send what is gathered, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
