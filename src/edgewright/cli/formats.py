"""How times, sizes, shares and references are written for people."""

from __future__ import annotations

import time
from collections.abc import Iterable

UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def moment(at: float | None) -> str:
    """A time of day in the reader's own time zone, "" for none."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def ago(at: float | None, now: float) -> str:
    """How long before `now` that was, in its largest unit."""
    return "never" if at is None else f"{duration(max(0.0, now - at))} ago"


def duration(seconds: float) -> str:
    """A time span in its largest unit."""
    for unit, length_s in UNITS:
        if seconds >= length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return "0 s"


def size(size_bytes: int) -> str:
    """A number of bytes with three digits, in powers of 1000."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def share(fraction: float) -> str:
    """A share in per cent."""
    return f"{fraction:.1%}"


def short(digest: str) -> str:
    """Enough of a digest or an id to tell it from others by eye."""
    return digest[:12]


def words(items: Iterable[object], none: str = "") -> str:
    """Items in a line."""
    return ", ".join(str(item) for item in items) or none


def pairs(items: dict[str, str]) -> str:
    """Labels, as they are typed."""
    return words(f"{name}={value}" for name, value in sorted(items.items()))


def numbers(metrics: dict[str, float]) -> str:
    """Metrics by name."""
    return words(f"{name} {value:.4g}" for name, value in sorted(metrics.items()))
