"""The device's time: its clock's where that can be believed, and else counted from the last time that was signed.

DESIGN, section 4: max(build time, last signed time) + monotonic. docs/reference/trust.md says what follows from it.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgewright.agent.disk import FileStore, durable
from edgewright.agent.system import built_at, logs

TIMES = ("time.json", "time.json.bak")
CLOCK = "clock.json"
SLACK_S = 86_400.0
"""A clock so far behind what has been signed is broken; a little behind is only slow."""
MAX_AGE_S = 20 * 365.25 * 86_400
"""A clock so far ahead of the agent's build is broken: 2099, or a bit that has flipped."""
NOTED_S = 60.0


class _Signed(msgspec.Struct, frozen=True):
    last_signed: float


class ClockFact(msgspec.Struct, frozen=True):
    """How far the device's clock was ahead of its hub's at the last talk, by the hub's own word (negative: behind)."""

    ahead_s: float


class SignedTime:
    """The device's time, in seconds since the epoch: never before its build, nor before the last time the hub signed.

    From the later of these `monotonic`, in seconds, counts on: a clock that stands still or was lost lets nothing last
    for ever. Where `clock` shows a time that cannot be, it is left out altogether.
    """

    def __init__(
        self, root: Path, clock: Callable[[], float], monotonic: Callable[[], float], built_at: float = 0.0
    ) -> None:
        self._root = root
        self._store = FileStore(root)
        self._clock = clock
        self._monotonic = monotonic
        self._built_at = built_at
        self._at = monotonic()
        self._last = max(_signed_time(self._store.read(name) or b"") for name in TIMES)
        self._floor = max(self._last, built_at)
        self._noted = read_clock(root)
        self._has_heard = False

    def now(self) -> float:
        """The time."""
        shown, counted = self._clock(), self._counted()
        return max(shown, counted) if self._can_be(shown, counted) else counted

    def has_clock(self) -> bool:
        """Whether the clock shows a time that can be: not long before what was signed, nor decades after the build."""
        return self._can_be(self._clock(), self._counted())

    def skew_s(self, allowed_s: float | None) -> float:
        """How far the clock may be off: `allowed_s`, and without limit where there is none to believe."""
        return allowed_s if allowed_s is not None and self.has_clock() else math.inf

    @property
    def last_signed(self) -> float:
        """The last time that was learned; 0 where there is none."""
        return self._last

    def latest(self, allowed_s: float | None) -> float:
        """The latest that it can be, for what ends: `now`, and infinite where nobody knows how long this was off.

        So it is without a clock to believe (`allowed_s` as for `skew_s`), until a time was signed since the start.
        """
        return self.now() if self._has_heard or math.isfinite(self.skew_s(allowed_s)) else math.inf

    def learn(self, signed: float) -> None:
        """Remember a signed time, durably."""
        self._has_heard = True
        if signed > self._last:
            for name in TIMES:
                self._store.write(name, msgspec.json.encode(_Signed(signed)))
            self._last = signed
            if signed > self._counted():
                self._floor, self._at = signed, self._monotonic()

    def note(self, hub_s: float) -> None:
        """Note for people what time the hub claims that it is. Nothing is believed of it, and nothing follows."""
        fact = ClockFact(ahead_s=round(self._clock() - hub_s, 1))
        before = self._noted.ahead_s if self._noted else 0.0
        if abs(fact.ahead_s - before) < NOTED_S:
            return
        if abs(fact.ahead_s) >= NOTED_S:
            logs.warn("this device's clock differs from the hub's", ahead_s=fact.ahead_s)
        self._noted = fact
        with contextlib.suppress(OSError):
            durable.replace(self._root / CLOCK, msgspec.json.encode(fact))

    def _can_be(self, shown: float, counted: float) -> bool:
        latest = self._built_at + MAX_AGE_S if self._built_at else math.inf
        return counted - SLACK_S <= shown <= latest

    def _counted(self) -> float:
        return self._floor + self._monotonic() - self._at


def device_time(root: Path) -> SignedTime:
    """The time of this machine, with what is kept of it in `root`."""
    return SignedTime(root, time.time, time.monotonic, built_at())


def read_clock(root: Path) -> ClockFact | None:
    """What was noted at the last talk with the hub; None before the first, or where clock and hub agreed."""
    try:
        return msgspec.json.decode((root / CLOCK).read_bytes(), type=ClockFact)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _signed_time(data: bytes) -> float:
    try:
        return msgspec.json.decode(data, type=_Signed).last_signed
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0.0
