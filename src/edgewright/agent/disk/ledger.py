"""The bytes of a day, kept over restarts: DIR/ledger.json. What may still be spent is paid ahead, in small steps.

The ledger has a time of its own. Within one run of the machine it goes by the kernel's count of seconds since the
boot, which nobody sets; a clock that jumps meanwhile moves nothing. Over a reboot only the believed time can say how
long the machine was off: it is heard where it goes forward, and passed over where it goes back.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable

NAME = "ledger.json"
MIN_AHEAD_BYTES = 4096
SET_RIGHT_S = 86_400.0


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day: what has crossed the line in it, urgent and bulk, and how many check-ins there were.

    `at` and `ends_at` are of the ledger's own time, in seconds since the epoch. At `boot_s` seconds of the boot `boot`
    it was `at`. `ahead` is what was paid ahead.
    """

    at: float
    ends_at: float
    boot: str
    boot_s: float
    urgent_bytes: int = 0
    bulk_bytes: int = 0
    ahead_bytes: int = 0
    check_ins: int = 0


@dataclass(frozen=True)
class Clocks:
    """`believed` is the device's time; `since_boot` the kernel's count, which goes on while the machine sleeps."""

    believed: Callable[[], float]
    since_boot: Callable[[], float]
    boot: str


def move(day: Day, clocks: Clocks, end_of: Callable[[float], float]) -> Day:
    """The ledger's day as of now: the same one, or a new one if its end has passed. No I/O."""
    since_boot = clocks.since_boot()
    is_known = day.boot == clocks.boot  # else it was off, for nobody knows how long
    at = day.at + max(0.0, since_boot - day.boot_s) if is_known else max(day.at, clocks.believed())
    moved = msgspec.structs.replace(day, at=at, boot=clocks.boot, boot_s=since_boot)
    if at < day.ends_at:
        return moved
    return msgspec.structs.replace(moved, ends_at=end_of(at), urgent_bytes=0, bulk_bytes=0, check_ins=0, ahead_bytes=0)


class Ledger:
    """Counts what crosses the line (a Meter); safe to use from several threads.

    `budget_bytes` says how fine the steps are that are paid ahead. Without a budget nothing is kept on the disk.
    """

    def __init__(self, root: Path, clocks: Clocks, end_of: Callable[[float], float], budget_bytes: int) -> None:
        self._path = root / NAME
        self._clocks = clocks
        self._end_of = end_of
        self._step_bytes = max(MIN_AHEAD_BYTES, budget_bytes // 100)
        self._is_kept = budget_bytes > 0
        self._lock = threading.RLock()
        self._day = self._load()

    def day(self) -> Day:
        """The present day; what has not been paid yet is in it."""
        with self._lock:
            moved = move(self._day, self._clocks, self._end_of)
            if moved.ends_at != self._day.ends_at:
                self._save(moved)
            self._day = moved
            return moved

    def count(self, size_bytes: int, *, is_bulk: bool) -> None:
        """So many bytes more, up or down."""
        with self._lock:
            day = self.day()
            self._day = day = msgspec.structs.replace(
                day,
                urgent_bytes=day.urgent_bytes + (0 if is_bulk else size_bytes),
                bulk_bytes=day.bulk_bytes + (size_bytes if is_bulk else 0),
                ahead_bytes=day.ahead_bytes - size_bytes,
            )
            if day.ahead_bytes < 0:
                self._save(msgspec.structs.replace(day, ahead_bytes=self._step_bytes))

    def checked_in(self, signed: float) -> None:
        """One check-in more. A ledger that a wrong clock has driven ahead of the hub's `signed` time comes back."""
        day = self.day()
        with self._lock:
            self._day = msgspec.structs.replace(day, check_ins=day.check_ins + 1)
            if signed and day.at > signed + SET_RIGHT_S:
                self._save(msgspec.structs.replace(self._day, at=signed, ends_at=self._end_of(signed)))

    def close(self) -> None:
        """Give back what was paid ahead."""
        self._save(msgspec.structs.replace(self.day(), ahead_bytes=0))

    def _save(self, day: Day) -> None:
        self._day = day
        if self._is_kept:
            with contextlib.suppress(OSError):  # a full disk: what is counted from here on, a reboot forgets
                durable.replace(self._path, msgspec.json.encode(day))

    def _load(self) -> Day:
        """The day that was kept; what had been paid ahead is taken for spent."""
        now, clocks = self._clocks.believed(), self._clocks
        fresh = Day(at=now, ends_at=self._end_of(now), boot=clocks.boot, boot_s=clocks.since_boot())
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            kept = msgspec.json.decode(self._path.read_bytes(), type=Day)
            spent = kept.bulk_bytes + max(0, kept.ahead_bytes)
            return move(msgspec.structs.replace(kept, bulk_bytes=spent, ahead_bytes=0), clocks, self._end_of)
        return fresh
