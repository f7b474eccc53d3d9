"""The hub's doors without a socket: one ASGI call at a time, in this thread's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http.client import HTTPMessage
from typing import Any, NamedTuple

Application = Callable[[Any, Any, Any], Any]


class Said(NamedTuple):
    """An answer, whole."""

    status: int
    headers: HTTPMessage
    body: bytes


class Doors:
    """Calls an ASGI application as a server would."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def ask(
        self, application: Application, method: str, path: str, headers: Mapping[str, str], body: bytes, client: str
    ) -> Said:
        """One request and its answer; `client` is the sender's address."""
        status, found, parts = 0, HTTPMessage(), list[bytes]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message["headers"]:
                    found[name.decode("latin-1")] = value.decode("latin-1")
            else:
                parts.append(message.get("body", b""))

        self._loop.run_until_complete(application(_scope(method, path, headers, client), receive, send))
        while behind := asyncio.all_tasks(self._loop):  # what the hub writes behind is written before time goes on
            self._loop.run_until_complete(asyncio.gather(*behind))
        return Said(status, found, b"".join(parts))

    def close(self) -> None:
        """Let go of the loop and its threads."""
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def _scope(method: str, path: str, headers: Mapping[str, str], client: str) -> dict[str, Any]:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": raw,
        "client": (client, 1),
        "server": ("hub", 80),
    }
