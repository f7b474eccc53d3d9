"""The way to a hub that runs: requests of many devices over HTTP, and a tally of how they were answered."""

from __future__ import annotations

import math
import statistics
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from http.client import HTTPMessage

import httpx
import msgspec

from edgewright.contract.errors import Unreachable
from edgewright.sim.world.doors import Said

TIMEOUT_S = 60.0
CHECK_IN = "checkin"


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Of answers to one kind of request, in milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Tally:
    """Counts answers by door and status, and how long they took."""

    def __init__(self) -> None:
        self.answers = Counter[str]()
        self._took_ms: dict[str, array[float]] = defaultdict(lambda: array("d"))

    def note(self, door: str, status: str, took_ms: float) -> None:
        """One answer, or the want of one."""
        self.answers[f"{door} {status}"] += 1
        self._took_ms[door].append(took_ms)

    def latencies(self) -> dict[str, Latencies]:
        """By door."""
        return {door: _latencies(sorted(took_ms)) for door, took_ms in sorted(self._took_ms.items())}


class Road:
    """Goes to one hub. One thread uses it."""

    def __init__(self, hub: str, tally: Tally, clock: Callable[[], float] = time.perf_counter) -> None:
        self._client = httpx.Client(base_url=hub, timeout=TIMEOUT_S)
        self._tally = tally
        self._clock = clock

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, client: str) -> Said:
        """A device's request and its answer; raises Unreachable. The hub sees this machine's address, not `client`."""
        del client
        door, began = path.split("/")[3], self._clock()
        try:
            answer = self._client.request(method, path, headers=dict(headers), content=body)
        except httpx.HTTPError as error:
            self._tally.note(door, "unreachable", 1000 * (self._clock() - began))
            raise Unreachable(f"the hub does not answer: {error}") from error
        self._tally.note(door, str(answer.status_code), 1000 * (self._clock() - began))
        found = HTTPMessage()
        for name, value in answer.headers.items():
            found[name] = value
        return Said(answer.status_code, found, answer.content)

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def _latencies(ordered_ms: list[float]) -> Latencies:
    count = len(ordered_ms)
    return Latencies(
        count=count,
        p50_ms=statistics.median(ordered_ms),
        p99_ms=ordered_ms[math.ceil(0.99 * count) - 1],
        max_ms=ordered_ms[-1],
    )
