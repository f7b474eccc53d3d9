"""Devices that come back all at once: each opens a session, signed with its key, and tells what has changed.

    python -m checkins.returning PORT DEVICES CONNECTIONS < go > result

Every device is out at the first line of its input. A device takes a nonce, signs for a session, and checks in with a
report that is new to the hub. Told to come again it waits as long as it is told, up to twice that long at random, and
goes on with the same step, as an agent does.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from typing import Any

import msgspec
import uvloop

from checkins.seeded import TOLD, device_of, key_of
from edgewright.contract import httpsig
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.report import CheckIn, NonceReply, SessionReply

CHANGED = msgspec.structs.replace(TOLD, version=4, counter=4, manifest_sha256="cd" * 32)


class Line:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, door: str, body: bytes, headers: dict[str, str]) -> tuple[int, float, bytes]:
        """Status, Retry-After and body of an answer."""
        lines = [f"POST /device/v1/{door} HTTP/1.1", "host: hub", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        told = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        length = int(told.get("content-length", "0"))
        return int(head[0].split()[1]), float(told.get("retry-after", "0")), await self._reader.readexactly(length)


class Outage:
    """All devices, over a pool of connections."""

    def __init__(self, count: int, lines: list[Line]) -> None:
        self._count = count
        self._lines = asyncio.LifoQueue[Line]()
        for line in lines:
            self._lines.put_nowait(line)
        self._random = random.Random(7)
        self.statuses = Counter[str]()
        self.served_s: list[float] = []

    async def run(self) -> dict[str, Any]:
        """Until every device has been served."""
        keys = [SoftKey(key_of(number)) for number in range(self._count)]
        began = time.monotonic()
        await asyncio.gather(*(self._device(number, key, began) for number, key in enumerate(keys)))
        ordered = sorted(self.served_s)
        times = {"half_s": ordered[len(ordered) // 2], "all_s": ordered[-1]}
        return {"statuses": dict(self.statuses), "served": len(ordered), **times}

    async def _device(self, number: int, key: SoftKey, began: float) -> None:
        device, path = device_of(number), "/device/v1/session"
        token = ""
        while not token:
            nonce = msgspec.json.decode(await self._step("nonce", b"{}", {}), type=NonceReply).nonce
            headers = httpsig.sign("POST", path, b"{}", key=key, keyid=device, nonce=nonce, created=int(time.time()))
            opened = await self._try("session", b"{}", headers)
            token = msgspec.json.decode(opened, type=SessionReply).token if opened else ""
        check_in = CheckIn(nonce=f"{number:043d}", models=(CHANGED,), life=f"{number:x}", turn=1)
        await self._step("checkin", msgspec.json.encode(check_in), {"authorization": f"Bearer {token}"})
        self.served_s.append(time.monotonic() - began)

    async def _step(self, door: str, body: bytes, headers: dict[str, str]) -> bytes:
        while not (answer := await self._try(door, body, headers)):
            pass
        return answer

    async def _try(self, door: str, body: bytes, headers: dict[str, str]) -> bytes:
        """The body of a success; b'' after a wait where the hub has said to come again."""
        line = await self._lines.get()
        status, wait_s, answer = await line.ask(door, body, headers)
        self._lines.put_nowait(line)
        self.statuses[f"{door} {status}"] += 1
        if status == 429:
            await asyncio.sleep(wait_s * (1 + self._random.random()))
            return b""
        return answer if status == 200 else b""


async def _main(port: int, count: int, connections: int) -> None:
    lines = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(connections)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(json.dumps(await Outage(count, lines).run()), flush=True)


if __name__ == "__main__":
    uvloop.run(_main(*(int(word) for word in sys.argv[1:4])))
