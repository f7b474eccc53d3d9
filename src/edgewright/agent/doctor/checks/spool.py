"""What waits for the hub: how much, and whether it can be read."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.agent.disk.spool import Spool, frames, segments
from edgewright.agent.doctor.finding import Case, Finding, bad, ok, warn
from edgewright.agent.status import amount

FULL_SHARE, HIGH_SHARE = 0.98, 0.8
OFFLINE = "The device was offline for long: it sends when it reaches its hub; see the findings on the hub."


def fill(case: Case) -> Iterator[Finding]:
    """There is room for what comes."""
    folder = case.root / "spool"
    if not folder.is_dir():
        return
    bound = case.settings.spool_max_bytes
    used = segments.total_bytes(folder, bound)
    text = f"{Spool(folder).backlog()} records wait, {amount(used)} of {amount(bound)}"
    if used >= FULL_SHARE * bound:
        yield bad("spool", f"{text}: it is full, and the least worthy of it is dropped", OFFLINE)
    elif used >= HIGH_SHARE * bound:
        yield warn("spool", f"{text}: it fills up", OFFLINE)
    else:
        yield ok("spool", text)


def damage(case: Case) -> Iterator[Finding]:
    """What lies there can be read."""
    folder = case.root / "spool"
    lost_bytes = 0
    for path in segments.paths(folder) if folder.is_dir() else ():
        if segments.is_abandoned(path):
            data = path.read_bytes()
            lost_bytes += len(data) - sum(found.size_bytes for found in frames.walk(data))
    if lost_bytes:
        help = "A cut of the power leaves a torn end, which is harmless; if this grows, check the storage with `dmesg`."
        yield warn("spool", f"{amount(lost_bytes)} of what waited cannot be read any more", help)
