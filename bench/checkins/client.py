"""The client: a process of its own that checks in for very many devices over a few connections, and counts.

    python -m checkins.client PORT DEVICES CONNECTIONS < commands > results

A command is a JSON line: `{"do": "first"}` has every device check in once and keep its order's tag; `{"do": "flood",
"s": 10}` asks as fast as the answers come; `{"do": "steady", "s": 10, "rate": 5000}` asks at that rate, whatever the
answers do, and takes each latency from the moment at which the request was due. A tenth of the requests come from
devices whose order is more than half its time to live old, as the rest's is not: these get a freshly signed one.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import uvloop

from checkins.seeded import TOLD, device_of, token_of
from edgewright.contract.order import Order, etag

FRESH = 10  # one in so many
MODELS = msgspec.json.encode((TOLD,))
PACE = b'{"download_bytes_s":1250000.0,"request_s":0.08,"apply_bytes_s":52000000.0,"is_metered":false}'
OLD_S, YOUNG_S = b"50000.25", b"1234.25"
Done = Callable[[int, bytes], None]


class Payload(msgspec.Struct):
    """What is in an envelope; its signature is the agents' business."""

    payload: bytes


class Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._done: Done | None = None

    def connection_made(self, transport: Any) -> None:
        """asyncio's."""
        self._transport = transport

    def ask(self, request: bytes, done: Done) -> None:
        """Send a request; `done` gets the status and the body."""
        self._done = done
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            return
        status, length = int(buffer[9:12]), 0
        if status != 304:
            at = buffer.find(b"content-length: ")
            length = int(buffer[at + 16 : buffer.find(b"\r", at)]) if 0 <= at < end else 0
        if len(buffer) < end + 4 + length:
            self._buffer = buffer
            return
        self._buffer = b""
        done, self._done = self._done, None
        if done is not None:
            done(status, buffer[end + 4 :])


class Devices:
    """What the devices remember, and the requests that they make of it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.random = random.Random(6)
        self.tags = [b""] * count
        self._turns = array("l", bytes(8 * count))
        self._number = 0

    def request(self, number: int) -> bytes:
        """The next check-in of a device."""
        self._number += 1
        self._turns[number] += 1
        age = OLD_S if self._number % FRESH == 0 else YOUNG_S
        body = (
            b'{"nonce":"%043d","models":%b,"etag":"%b","order_age_s":%b,"backlog":0,"pace":%b,"life":"%016x","turn":%d}'
        ) % (self._number, MODELS, self.tags[number], age, PACE, number, self._turns[number])
        head = (
            b"POST /device/v1/checkin HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
        ) % (token_of(number).encode(), len(body))
        return head + body

    def remember(self, number: int, body: bytes) -> None:
        """Keep the tag of a device's order."""
        order = msgspec.json.decode(msgspec.json.decode(body, type=Payload).payload, type=Order)
        assert order.device == device_of(number)
        self.tags[number] = etag(order).encode()


class Client:
    """Connections to one server."""

    def __init__(self, devices: Devices, lines: list[Line]) -> None:
        self._devices = devices
        self._lines = lines

    async def first(self) -> dict[str, Any]:
        """Every device once."""
        numbers, seen = iter(range(self._devices.count)), Counter[int]()
        began = time.monotonic()
        await asyncio.gather(*(self._drain(line, numbers, seen, self._devices.remember) for line in self._lines))
        return {"statuses": dict(seen), "wall_s": time.monotonic() - began}

    async def flood(self, s: float) -> dict[str, Any]:
        """As fast as it goes."""
        seen, ends_at = Counter[int](), time.monotonic() + s
        numbers = _random_numbers(self._devices, lambda: time.monotonic() < ends_at)
        began, spent_s = time.monotonic(), time.process_time()
        await asyncio.gather(*(self._drain(line, numbers, seen, self._devices.remember) for line in self._lines))
        wall_s = time.monotonic() - began
        return {"statuses": dict(seen), "wall_s": wall_s, "client_cpu_s": time.process_time() - spent_s}

    async def steady(self, s: float, rate: float) -> dict[str, Any]:
        """At a rate; where no line is free a request waits, and its latency says so."""
        loop, free, due = asyncio.get_running_loop(), deque(self._lines), deque[float]()
        late_ms, seen = array("d"), Counter[int]()

        def start(line: Line, due_at: float) -> None:
            number = self._devices.random.randrange(self._devices.count)

            def done(status: int, body: bytes) -> None:
                late_ms.append(1000 * (loop.time() - due_at))
                seen[status] += 1
                if status == 200:
                    self._devices.remember(number, body)
                if due:
                    start(line, due.popleft())
                else:
                    free.append(line)

            line.ask(self._devices.request(number), done)

        began = loop.time()
        sent = 0
        while (now := loop.time()) < began + s:
            while began + sent / rate <= now:
                due.append(began + sent / rate)
                sent += 1
            while due and free:
                start(free.popleft(), due.popleft())
            await asyncio.sleep(0.001)
        while len(free) < len(self._lines):
            await asyncio.sleep(0.01)
        ordered = sorted(late_ms)
        places = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}
        latencies = {name: ordered[int(share * (len(ordered) - 1))] for name, share in places.items()}
        return {"statuses": dict(seen), "sent": sent, **latencies, "max_ms": ordered[-1]}

    def _drain(
        self,
        line: Line,
        numbers: Iterator[int],
        seen: Counter[int],
        remember: Callable[[int, bytes], None],
    ) -> asyncio.Future[None]:
        """One line's requests, one after the other, until there are no more numbers."""
        over = asyncio.get_running_loop().create_future()

        def next_one() -> None:
            number = next(numbers, None)
            if number is None:
                over.set_result(None)
                return

            def done(status: int, body: bytes) -> None:
                seen[status] += 1
                if status == 200:
                    remember(number, body)
                next_one()

            line.ask(self._devices.request(number), done)

        next_one()
        return over


def _random_numbers(devices: Devices, goes_on: Callable[[], bool]) -> Iterator[int]:
    while goes_on():
        for _ in range(50):
            yield devices.random.randrange(devices.count)


async def _main(port: int, count: int, connections: int) -> None:
    loop = asyncio.get_running_loop()
    lines = [(await loop.create_connection(Line, "127.0.0.1", port))[1] for _ in range(connections)]
    client = Client(Devices(count), lines)
    while command := await loop.run_in_executor(None, sys.stdin.readline):
        words = json.loads(command)
        result = await getattr(client, words.pop("do"))(**words)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    uvloop.run(_main(*(int(word) for word in sys.argv[1:4])))
