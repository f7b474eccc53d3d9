"""How the dashboard says things: times, sizes, numbers with their nouns, and the colours and bars beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

TONES = {  # how a state feels; what is not named here is neutral
    **dict.fromkeys(("running", "queued", "admitted", "offered", "front", "acknowledged"), "busy"),
    **dict.fromkeys(("done", "passed", "committed", "ready", "current", "recommended"), "ok"),
    **dict.fromkeys(("reused", "resolved", "fired", "approved"), "ok"),
    **dict.fromkeys(("paused", "waiting", "draft", "away", "aborted", "behind", "strayed", "unmet", "held"), "warn"),
    **dict.fromkeys(("open", "warning"), "warn"),
    **dict.fromkeys(("halted", "failed", "rolled_back", "refused", "bad", "drifting", "revoked", "quarantined"), "bad"),
    **dict.fromkeys(("critical", "rejected"), "bad"),
}


@dataclass(frozen=True)
class Segment:
    """A stretch of a bar, in per cent of its length."""

    tone: str
    start: float
    length: float


def tone(state: str) -> str:
    """The colour of a state's badge; the word says it too."""
    return TONES.get(state, "")


def plural(count: int, noun: str, many: str = "") -> str:
    """'1 device', '2 devices'."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def size(size_bytes: int) -> str:
    """Bytes as people read them."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}"
    return f"{size_bytes} B"


def duration(passed_s: float) -> str:
    """A stretch of time in its largest unit, whole below."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed_s >= length_s:
            return f"{int(passed_s // length_s)} {unit}"
    return f"{max(0, int(passed_s))} s"


def segments(total: float, parts: Sequence[tuple[str, float]]) -> tuple[Segment, ...]:
    """A bar of `total`, made of parts (tone, length) one after the other."""
    start, found = 0.0, []
    for name, length in parts:
        share = 100 * min(length / total, 1.0) if total else 0.0
        if share:
            found.append(Segment(name, round(start, 2), round(share, 2)))
        start += share
    return tuple(found)


def utc(at: float, form: str) -> str:
    """A time in UTC, in strftime's `form`."""
    return time.strftime(form, time.gmtime(at))
