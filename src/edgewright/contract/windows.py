"""Maintenance windows: times of the local day at which a device may do what would disturb at others. No I/O.

A window is written `22:00-05:00`, `mon-fri 22:00-05:00` or `sat,sun 00:00-24:00`. It begins on the days that it names
and may end on the day after. Where clocks are put forward over its begin, it begins that much later by the clock.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edgewright.contract.errors import InvalidInput

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(
    r"(?:(?P<days>[a-z,-]+) )?(?P<from>[0-2]\d):(?P<from_minute>[0-5]\d)-(?P<to>[0-2]\d):(?P<to_minute>[0-5]\d)"
)
ALL_DAYS_S = 8 * 86400.0
"""Longer than a week, in which all windows come round."""
_HINT = "Write it like 'mon-fri 22:00-05:00'."


@dataclass(frozen=True)
class Window:
    """Opens on `days` (0 is Monday) at `begin`, minutes after midnight, and closes at `end`: after it, or next day."""

    days: frozenset[int]
    begin: int
    end: int


def parse(text: str, field: str = "window") -> Window:
    """Read a window; raises InvalidInput."""
    found = _WINDOW.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidInput(f"'{text[:60]}' is no window", field=field, hint=_HINT)
    begin = 60 * int(found["from"]) + int(found["from_minute"])
    end = 60 * int(found["to"]) + int(found["to_minute"])
    if begin >= 24 * 60 or end > 24 * 60:
        raise InvalidInput(f"'{text}': a day has 24 hours", field=field, hint=_HINT)
    return Window(_days(found["days"], text, field), begin, end)


def zone(name: str, field: str = "time_zone") -> ZoneInfo | None:
    """The time zone of that name, or None, the device's own, for ''; raises InvalidInput."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = "Names are like 'Europe/Berlin'; Debian's package is tzdata."
        raise InvalidInput(f"this machine knows no time zone '{name[:60]}'", field=field, hint=hint) from error


def opens_at(windows: Sequence[Window], now: float, where: ZoneInfo | None) -> float:
    """When one of `windows` is open, from `now` on, in seconds since the epoch; `now` itself where there are none."""
    spans = [span for window in windows for span in _spans(window, now, where)]
    if not windows or any(begin <= now < end for begin, end in spans):
        return now
    return min(begin for begin, end in spans if begin > now)


def closes_at(windows: Sequence[Window], now: float, where: ZoneInfo | None) -> float:
    """When none of `windows` is open, from `now` on: `now` itself where none is, infinity where one always is."""
    at, last = now, now + ALL_DAYS_S
    while at <= last:
        spans = (span for window in windows for span in _spans(window, at, where))
        ends = [end for begin, end in spans if begin <= at < end]
        if not ends:
            return at
        at = max(ends)
    return math.inf


def next_midnight(now: float, where: ZoneInfo | None) -> float:
    """The next local midnight after `now`, in seconds since the epoch."""
    day = datetime.fromtimestamp(now, where).date() + timedelta(days=1)
    return max(_moment(datetime.combine(day, time()), where), now + 1.0)


def _spans(window: Window, now: float, where: ZoneInfo | None) -> Iterable[tuple[float, float]]:
    today = datetime.combine(datetime.fromtimestamp(now, where).date(), time())
    for ahead in range(-1, 9):
        day = today + timedelta(days=ahead)
        if day.weekday() in window.days:
            length = (window.end - window.begin) % (24 * 60) or 24 * 60
            end = day + timedelta(minutes=window.begin + length)
            yield _moment(day + timedelta(minutes=window.begin), where), _moment(end, where)


def _moment(local: datetime, where: ZoneInfo | None) -> float:
    return local.replace(tzinfo=where).timestamp()


def _days(text: str | None, whole: str, field: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(",") if text else ["mon-sun"]:
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise InvalidInput(f"'{whole[:60]}': '{part}' is no day", field=field, hint=f"Days are {', '.join(DAYS)}.")
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found.update((begin + ahead) % 7 for ahead in range((end - begin) % 7 + 1))
    return frozenset(found)
