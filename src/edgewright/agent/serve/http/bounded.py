"""What a client may keep a server waiting for: the head of a request is bounded in bytes, the whole of it in time.

uvicorn bounds neither: a connection on which nothing ever comes stays for good, and a head without end is gathered
until there is no memory left, for which the package that serves would be blamed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from edgewright.agent.serve.http.asgi import MAX_HEAD_BYTES, Message, Receive, Send, send_reply
from edgewright.agent.serve.http.corked import CorkedProtocol
from edgewright.agent.serve.http.message import error_reply

MAX_CONNECTIONS = 256
RETRY_AFTER_S = 1
HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
)


class BoundedProtocol(CorkedProtocol):
    """Closes a connection whose request, the first one included, is not whole within uvicorn's `timeout_keep_alive`.

    More than `MAX_HEAD_BYTES` beyond the first read that bring no end of a head, and nothing of a body, are answered
    with 431: a head, or trailers, without end. A connection beyond `MAX_CONNECTIONS` is answered with 503.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        super().connection_made(transport)
        self._is_whole = True
        self._barren_bytes = 0  # of a request, since something came of it
        self._deadline: asyncio.TimerHandle | None = None
        self._set_deadline()
        if len(self.connections) > MAX_CONNECTIONS:
            self.app = _too_many

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self._lift_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        if not self._is_whole:
            self._barren_bytes += len(data)
        super().data_received(data)
        if self._is_whole:
            self._lift_deadline()
        elif self._deadline is None:
            self._set_deadline()
        if not self._is_whole and self._barren_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """httptools': the first byte of a request."""
        self._is_whole, self._barren_bytes = False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """httptools'."""
        self._barren_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """httptools'."""
        self._barren_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """httptools': the last byte of a request."""
        self._is_whole = True
        super().on_message_complete()

    def _refuse_head(self) -> None:
        body = b'{"error":"the headers of a request have at most %d bytes"}' % MAX_HEAD_BYTES
        self.transport.write(HEAD_TOO_LARGE % (len(body), body))
        self.transport.close()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._too_late)

    def _lift_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if self.pipeline:  # what it has asked before is still being answered, and nothing is read meanwhile
            self._set_deadline()
        else:
            self.transport.close()


async def _too_many(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application for a connection too many."""
    reply = error_reply(503, f"more than {MAX_CONNECTIONS} connections at once: try again later")
    later: tuple[Any, ...] = (("retry-after", str(RETRY_AFTER_S)),)
    await send_reply(send, reply._replace(headers=(*reply.headers, *later)), is_last=True)
