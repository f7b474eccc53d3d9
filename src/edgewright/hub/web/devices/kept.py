"""Orders kept between check-ins: their encoded parts, of which a fresh one is put together without the rooms."""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edgewright.contract.order import Order

MAX_SHARED = 4096
NEVER = float("inf")
_NONCE = b'"","issued_at":0.0'


class Tail(NamedTuple):
    """An order from its time to live on, apart from how often to poll: equal ones are one object, if nothing is owed.

    `poll_s` is what was asked for before any stretching; None: as the device is set.
    """

    bytes: bytes
    poll_s: float | None


class Stamp(NamedTuple):
    """What a device's order was computed of; an order with an older stamp is not kept."""

    all: int
    own: int


class Kept:
    """For each row of memory, what its device shall do, until somebody stirs it or a moment has come.

    Written by the event loop alone, but for stirring, which any thread may do. An order whose parts would not fit into
    `max_bytes` is remembered by its tag only.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._shared: dict[Tail, Tail] = {}
        self._all = 1
        self._valid = array("I")  # equal to `_all`: kept, and not stirred since
        self._own = array("I")
        self._tags = array("Q")
        self._levels = array("b")
        self._until = array("d")
        self._tails: list[Tail | None] = []

    def is_good(self, row: int, now: float) -> bool:
        """Whether what is kept of this row still holds."""
        return row < len(self._valid) and self._valid[row] == self._all and now < self._until[row]

    def tail(self, row: int) -> Tail | None:
        """The kept parts; None where they took too much room."""
        return self._tails[row]

    def tag(self, row: int, level: int) -> int | None:
        """The short tag of the order kept for this row, if it was made at this level of stretching."""
        return self._tags[row] if self._levels[row] == level else None

    def retag(self, row: int, level: int, tag: int) -> None:
        """The same order at another level of stretching."""
        self._levels[row], self._tags[row] = level, tag

    def stamp(self, row: int) -> Stamp:
        """Take this before an order is computed."""
        if row >= len(self._valid):
            self._grow(row)
        return Stamp(self._all, self._own[row])

    def keep(self, row: int, stamp: Stamp, tail: Tail, until: float) -> bool:
        """Keep an order, unless it was stirred while it was computed: then False."""
        with self._lock:
            if stamp != (self._all, self._own[row]):
                return False
            self._drop(row)
            self._tails[row] = self._take(tail)
            self._until[row] = until
            self._levels[row] = -1
            self._valid[row] = self._all
        return True

    def stir(self, rows: Sequence[int | None]) -> None:
        """Have the orders of these rows computed anew at their next check-in."""
        with self._lock:
            for row in rows:
                if row is not None and row < len(self._valid):
                    self._own[row] += 1
                    self._valid[row] = 0

    def stir_all(self) -> None:
        """Have every order computed anew."""
        with self._lock:
            self._all += 1

    def _take(self, tail: Tail) -> Tail | None:
        shared = self._shared.get(tail)
        if shared is not None:
            return shared
        if is_idle(tail):
            if len(self._shared) >= MAX_SHARED:
                self._shared.clear()
            self._shared[tail] = tail
            return tail
        if self._bytes + len(tail.bytes) > self._max_bytes:
            return None
        self._bytes += len(tail.bytes)
        return tail

    def _drop(self, row: int) -> None:
        old = self._tails[row]
        if old is not None and not is_idle(old):
            self._bytes -= len(old.bytes)
        self._tails[row] = None

    def _grow(self, row: int) -> None:
        with self._lock:
            count = row + 1024 - len(self._valid)
            for numbers in (self._own, self._tags, self._levels):
                numbers.extend([0] * count)
            self._until.extend([0.0] * count)
            self._tails.extend([None] * count)
            self._valid.extend([0] * count)


def tail_of(order: Order) -> Tail:
    """The part of an order that holds for every nonce and moment. `order.poll_s` is what was asked for."""
    timeless = msgspec.structs.replace(order, nonce="", issued_at=0.0, poll_s=None)
    encoded = msgspec.json.encode(timeless, order="deterministic")
    start = len(head_of(order.device)) + len(_NONCE)
    return Tail(encoded[start : -len(b"null}")], order.poll_s)


def head_of(device: str) -> bytes:
    """An order up to its nonce."""
    return _HEAD + msgspec.json.encode(device) + b',"nonce":'


def put_together(device: str, nonce: str, issued_at: float, tail: Tail, poll_s: float | None) -> bytes:
    """The same bytes as the order's own encoding."""
    parts = (head_of(device), _ENCODE(nonce), b',"issued_at":', _ENCODE(issued_at), tail.bytes, _ENCODE(poll_s), b"}")
    return b"".join(parts)


def tag_of(device: str, tail: Tail, poll_s: float | None) -> str:
    """The same as `contract.order.etag` of that order."""
    return hashlib.sha256(put_together(device, "", 0.0, tail, poll_s)).hexdigest()[:32]


def short(tag: str) -> int:
    """The first 64 bits of a tag: enough to tell one device's own orders apart. 0 for what is no tag."""
    try:
        return int(tag[:16], 16)
    except ValueError:
        return 0


def is_idle(tail: Tail) -> bool:
    """Whether an order has a device do nothing, so that many devices have the same one."""
    return tail.bytes.endswith(_IDLE)


_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_HEAD = _ENCODE(Order(device="", nonce="", issued_at=0.0, ttl_s=0.0)).partition(b'""')[0]
_IDLE = b'"installs":[],"rollbacks":[],"collects":[],"benches":[],"poll_s":'
