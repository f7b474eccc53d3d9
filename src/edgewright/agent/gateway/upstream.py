"""The gateway's way to a model's worker: HTTP/1.1 over its Unix socket, on connections that are kept for a moment.

A kept connection is let go long before a worker that drains would close it (see serve/http/server.py), so a request
never meets a closing door, and none is ever sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httptools

from edgewright.agent.serve.http import Reply, Request
from edgewright.contract.errors import EdgewrightError, HostileInput, NotFound, Unreachable

KEEP_S = 2.0
MAX_KEPT = 16
WITHIN_S = 120.0
MAX_REPLY_BYTES = 128 * 1024 * 1024
PASSED_ON = ("content-type", "inference-header-content-length")
RETURNED = (*PASSED_ON, "retry-after")


class NoAnswer(Unreachable):
    """The worker has ended in the midst of this request, or takes too long."""

    code = "no_answer"
    http_status = 502


class TookTooLong(EdgewrightError):
    """Nothing came for a long time."""

    code = "took_too_long"
    http_status = 504


class _Line(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    kept_at: float

    def close(self) -> None:
        self.writer.close()


class Upstream:
    """One model's worker. Several requests may be under way, each on a connection of its own."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._kept: list[_Line] = []

    async def ask(self, request: Request) -> Reply:
        """Pass a request on. Raises NotFound where the model has no socket, NoAnswer or TookTooLong."""
        line = self._take() or await self._open()
        try:
            async with asyncio.timeout(WITHIN_S):
                line.writer.write(_head(request))
                line.writer.write(request.body)
                await line.writer.drain()
                reply, may_stay = await _read(line.reader, request.method)
        except TimeoutError as error:
            line.close()
            raise TookTooLong(f"{self._model} has not answered within {WITHIN_S:.0f} s") from error
        except OSError as error:
            line.close()
            raise NoAnswer(f"the worker of {self._model} has ended: {error}") from error
        except BaseException:
            line.close()
            raise
        self._keep(line, may_stay)
        return reply

    def close(self) -> None:
        """Let go of what is kept."""
        for line in self._kept:
            line.close()
        self._kept.clear()

    def _take(self) -> _Line | None:
        now = asyncio.get_running_loop().time()
        while self._kept:
            line = self._kept.pop()
            if now - line.kept_at < KEEP_S and not line.reader.at_eof():
                return line
            line.close()
        return None

    def _keep(self, line: _Line, may_stay: bool) -> None:
        loop = asyncio.get_running_loop()
        if not may_stay or len(self._kept) >= MAX_KEPT:
            line.close()
            return
        self._kept.append(line._replace(kept_at=loop.time()))
        loop.call_later(KEEP_S, self._let_go)

    def _let_go(self) -> None:
        now = asyncio.get_running_loop().time()
        for line in [line for line in self._kept if now - line.kept_at >= KEEP_S]:
            self._kept.remove(line)
            line.close()

    async def _open(self) -> _Line:
        try:
            with _short(self._path) as path:
                return _Line(*await asyncio.open_unix_connection(path), kept_at=0.0)
        except FileNotFoundError as error:
            raise NotFound(f"no model '{self._model}' is served on this device", field="model") from error
        except OSError as error:
            raise Unreachable(f"the worker of {self._model} cannot be reached: {error}") from error


class _Reading:
    """What the parser tells of a reply."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.size = 0
        self.is_complete = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)
        self.size += len(body)
        if self.size > MAX_REPLY_BYTES:
            raise HostileInput(f"a reply has at most {MAX_REPLY_BYTES} bytes")

    def on_message_complete(self) -> None:
        self.is_complete = True


async def _read(reader: asyncio.StreamReader, method: str) -> tuple[Reply, bool]:
    reading = _Reading()
    while not reading.is_complete:
        data = await reader.read(256 * 1024)
        if not data:
            raise ConnectionError("it closed the connection before it had answered")
        try:
            reading.parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionError(f"its answer is not HTTP: {error}") from error
        if method == "HEAD" and data.endswith(b"\r\n\r\n"):
            break
    headers = [(name, reading.headers[name]) for name in RETURNED if name in reading.headers]
    reply = Reply(reading.parser.get_status_code(), reading.chunks, headers)
    return reply, reading.is_complete and reading.parser.should_keep_alive()


def _head(request: Request) -> bytes:
    lines = [f"{request.method} {request.path} HTTP/1.1", "host: localhost"]
    lines += [f"{name}: {request.headers[name]}" for name in PASSED_ON if name in request.headers]
    lines.append(f"content-length: {len(request.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for a socket that fits into an address (unix(7): 107 bytes)."""
    if len(os.fsencode(path)) <= 107:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
