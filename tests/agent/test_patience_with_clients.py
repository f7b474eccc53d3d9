"""What clients of a worker or the gateway can take from it by being slow, many or endless: a place for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from edgewright.agent.serve.http import json_reply
from edgewright.agent.serve.http.asgi import Application
from edgewright.agent.serve.http.bounded import MAX_CONNECTIONS
from edgewright.agent.serve.http.server import Server

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[[], Awaitable[Streams]]

GET = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
LINES = b"".join(b"x-%d: %b\r\n" % (i, b"a" * 1000) for i in range(50))


def serving(folder: Path, use: Callable[[Open], Awaitable[None]]) -> None:
    """Run `use` beside a server that waits a second for a request."""
    path = folder / "door.sock"

    async def go() -> None:
        ready = asyncio.Event()
        server = Server(Application(lambda _: json_reply(200, {}), print), ready.set, kept_s=1, idle_s=0.0)
        working = asyncio.create_task(server.serve([listener]))
        await ready.wait()
        try:
            await asyncio.wait_for(use(lambda: asyncio.open_unix_connection(path)), 60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await working

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(512)
        listener.setblocking(False)
        asyncio.run(go())


async def said(reader: asyncio.StreamReader) -> bytes:
    """All until the end of the connection."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_who_brings_no_whole_request_is_sent_away(tmp_path: Path) -> None:
    async def use(connect: Open) -> None:
        streams = [await connect() for _ in range(3)]
        for (_, writer), part in zip(streams, (b"", GET, CHUNKED + b"1\r\n"), strict=True):
            writer.write(part)

        assert [await said(reader) for reader, _ in streams] == [b"", b"", b""]

    serving(tmp_path, use)


def test_who_asks_in_time_stays_though_slowly(tmp_path: Path) -> None:
    async def use(connect: Open) -> None:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(GET)
            await asyncio.sleep(0.5)
            writer.write(b"\r\n")
            assert b" 200 " in await reader.readuntil(b"{}")

    serving(tmp_path, use)


def test_headers_and_trailers_without_end_are_refused(tmp_path: Path) -> None:
    async def use(connect: Open) -> None:
        for start in (GET, GET + b"x: ", CHUNKED + b"1\r\na\r\n0\r\n"):
            reader, writer = await connect()
            writer.write(start)
            first_line = asyncio.create_task(reader.readline())
            while not first_line.done():
                writer.write(b"a" * 50_000 if start.endswith(b"x: ") else LINES)
                await asyncio.wait([first_line], timeout=0.02)
            assert (await first_line).split()[1] == b"431"

    serving(tmp_path, use)


def test_a_large_body_in_small_pieces_is_no_head(tmp_path: Path) -> None:
    async def use(connect: Open) -> None:
        reader, writer = await connect()
        writer.write(CHUNKED)
        for _ in range(200):
            writer.write(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

        assert b" 200 " in await reader.readuntil(b"{}")

    serving(tmp_path, use)


def test_one_connection_too_many_is_told_when_to_come_again(tmp_path: Path) -> None:
    async def use(connect: Open) -> None:
        others = [await connect() for _ in range(MAX_CONNECTIONS)]
        reader, writer = await connect()
        writer.write(GET + b"\r\n")

        answer = await said(reader)

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in answer
        assert b'{"error":' in answer
        for _, other in others:
            other.close()

    serving(tmp_path, use)
