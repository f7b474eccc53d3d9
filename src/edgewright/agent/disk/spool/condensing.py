"""Merging old windows into wider ones, hours first and then days: what weeks offline cost is resolution, not totals.

A child of the supervisor gathers what may be merged, merges it (it needs numpy) and writes a segment that stands for
the segments that it read, each as a whole; `Spool.adopt` puts it in their place by one rename.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgewright.agent.disk import durable
from edgewright.agent.disk.spool import fates, frames, segments
from edgewright.agent.disk.spool.frames import Replaces
from edgewright.contract.report import ProfileWindow, Record

WRITER = "condensed"
NEW = "condensing.new"
HOUR_S, DAY_S = 3600.0, 86_400.0
MAX_ROWS = 2**30
"""Of a merged window: half of what the hub takes in one."""
MAX_INPUT_BYTES = 2 * 1024 * 1024
MAX_READ_BYTES = 16 * 1024 * 1024
"""What one run looks at: the oldest segments, so that its memory is bounded too."""
MIN_FEWER = 16
"""What is worth writing anew: so many windows fewer."""

Merge = Callable[[Sequence[ProfileWindow]], bytes | None]
"""The payload of several windows of one schema; None where one of them cannot be read."""


class Work(NamedTuple):
    """What one run has to do: records that stay as they are, and groups to be merged into one window each."""

    segments: tuple[str, ...]
    generation: int
    kept: list[Record]
    groups: list[list[ProfileWindow]]


def is_old(end: float, newest: float) -> bool:
    """Whether a window may be merged with others of its hour: what is newer stays as it is."""
    return end <= newest - HOUR_S


def plan(windows: Sequence[ProfileWindow]) -> list[list[ProfileWindow]]:
    """Which windows to merge, the oldest group first: those of a day that is a day old, of an hour that is an hour old.

    Only windows of one package with one schema merge.
    """
    newest = max((window.end for window in windows), default=0.0)
    groups: dict[tuple[object, ...], list[ProfileWindow]] = {}
    for window in sorted(windows, key=lambda one: (one.start, one.id)):
        width_s = next((s for s in (DAY_S, HOUR_S) if (window.start // s + 1) * s <= newest - s), 0.0)
        if not width_s or not is_old(window.end, newest):
            continue
        package = (window.model, window.version, window.counter, window.schema_sha256)
        key = (*package, window.epsilon_milli, window.min_category_rows, width_s, window.start // width_s)
        groups.setdefault(key, []).append(window)
    parts = (part for group in groups.values() for part in _split(group))
    return sorted((part for part in parts if len(part) > 1), key=lambda part: part[0].start)


def gather(folder: Path) -> Work | None:
    """What can be merged now; None where that is not worth it. Reads segments that nobody writes any more."""
    kept = fates.load(folder)
    if kept.is_lost:
        return None
    waiting = _waiting(folder, kept)
    movable = {
        record.id: name
        for name, records in waiting.items()
        for record in records
        if isinstance(record, ProfileWindow) and record.id not in kept.doubted
    }
    windows = [one for records in waiting.values() for one in records if isinstance(one, ProfileWindow)]
    groups = plan([window for window in windows if window.id in movable])
    chosen = _choose(folder, groups, movable)
    groups = [[one for one in group if movable[one.id] in chosen] for group in groups]
    groups = [group for group in groups if len(group) > 1]
    if sum(len(group) - 1 for group in groups) < MIN_FEWER:
        return None
    merged = {one.id for group in groups for one in group}
    rest = [one for name in chosen for one in waiting[name] if one.id not in merged]
    return Work(tuple(chosen), kept.generation, rest, groups)


def write(folder: Path, work: Work, merge: Merge) -> None:
    """Do the work and leave the result for `Spool.adopt`. Raises OSError."""
    records = list(work.kept)
    for group in work.groups:
        payload = merge(group)
        records += group if payload is None else [_merged(group, payload)]
    header = Replaces(segments=work.segments, generation=work.generation, count=len(records))
    durable.write(folder / NEW, map(frames.encode, [header, *records]), mode=0o600)


def read_header(path: Path) -> Replaces | None:
    """What a condensed segment says of itself, if it is whole."""
    try:
        found = list(frames.walk(path.read_bytes()))
    except OSError:
        return None
    header = found[0].held if found else None
    return header if isinstance(header, Replaces) and header.count == len(found) - 1 else None


def _waiting(folder: Path, kept: fates.Fates) -> dict[str, list[Record]]:
    """What waits in each segment that nobody writes any more, less those that a condensed one stands for."""
    found: dict[str, list[Record]] = {}
    replaced: set[str] = set()
    size_bytes = 0
    for path in sorted(segments.paths(folder), key=lambda path: path.stat().st_mtime_ns):
        if segments.is_of_samples(path) or not segments.is_abandoned(path):
            continue
        size_bytes += path.stat().st_size
        if size_bytes > MAX_READ_BYTES:
            break
        done = kept.done.get(path.name, set())
        held = [one for one in frames.walk(path.read_bytes()) if one.offset not in done]
        found[path.name] = [one.held for one in held if not isinstance(one.held, Replaces)]
        replaced.update(name for one in held if isinstance(one.held, Replaces) for name in one.held.segments)
    return {name: records for name, records in found.items() if name not in replaced}


def _choose(folder: Path, groups: Iterable[Sequence[ProfileWindow]], movable: dict[str, str]) -> dict[str, None]:
    """The segments to write anew, as many as one run takes: those of the oldest groups first."""
    chosen: dict[str, None] = {}
    size_bytes = 0
    for group in groups:
        names = {movable[one.id] for one in group} - chosen.keys()
        size_bytes += sum((folder / name).stat().st_size for name in names)
        if chosen and size_bytes > MAX_INPUT_BYTES:
            break
        chosen.update(dict.fromkeys(sorted(names)))
    return chosen


def _split(group: Sequence[ProfileWindow]) -> list[list[ProfileWindow]]:
    parts: list[list[ProfileWindow]] = [[]]
    rows = 0
    for window in group:
        rows += window.rows
        if parts[-1] and rows > MAX_ROWS:
            parts.append([])
            rows = window.rows
        parts[-1].append(window)
    return parts


def _merged(group: Sequence[ProfileWindow], payload: bytes) -> ProfileWindow:
    """The wider window; its id follows from the ids that it replaces."""
    ids = "\n".join(sorted(window.id for window in group))
    return msgspec.structs.replace(
        group[0],
        id=f"condensed:{hashlib.sha256(ids.encode()).hexdigest()[:32]}",
        start=min(window.start for window in group),
        end=max(window.end for window in group),
        rows=sum(window.rows for window in group),
        payload=payload,
        noised=sum(window.noised for window in group),
        folded=sum(window.folded for window in group),
    )
