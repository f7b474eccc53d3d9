"""How times, sizes, shares and references are written for people."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
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


def counted(count: int, noun: str) -> str:
    """How many of something, in words that take an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def words(items: Iterable[object], none: str = "") -> str:
    """Items in a line."""
    return ", ".join(str(item) for item in items) or none


def details(items: dict[str, Any]) -> str:
    """Facts by name, with digests shortened: what an audit entry or a run's result tells."""
    return words(f"{name}={_detail(value)}" for name, value in items.items())


def _detail(value: object) -> str:
    if isinstance(value, dict):
        return f"({details(value)})" if value else "none"
    if isinstance(value, list | tuple):
        return "+".join(map(_detail, value)) or "none"
    return DIGEST.sub(lambda found: short(found[0]), str(value))


def pairs(items: dict[str, str]) -> str:
    """Labels, as they are typed."""
    return words(f"{name}={value}" for name, value in sorted(items.items()))


def numbers(metrics: dict[str, float]) -> str:
    """Metrics by name."""
    return words(f"{name} {value:.4g}" for name, value in sorted(metrics.items()))
