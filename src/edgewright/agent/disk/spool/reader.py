"""The supervisor's side of the spool: what waits, what was sent, and what need not wait any more."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edgewright.agent.disk import durable
from edgewright.agent.disk.spool import condensing, fates, frames, segments, worth
from edgewright.agent.disk.spool.fates import Dropped
from edgewright.agent.disk.spool.frames import Replaces
from edgewright.agent.disk.spool.worth import Kind, Place
from edgewright.contract.report import InstallReport, ProfileWindow, Record

SHED_SHARE = 7 / 8
"""Above this share of the bound the least worthy give way, so that there is room for what comes next."""
FAULTS_SHARE = 1 / 8
"""Of the bound. An app that fails at every start tells of it each time: faults beyond that give way, too."""


class Entry(NamedTuple):
    """A record that waits, and its size in the spool."""

    record: Record
    size_bytes: int


class Spool:
    """What waits for the hub. One process alone may acknowledge, send, adopt and shed; any may ask for `backlog`."""

    def __init__(self, folder: Path, max_bytes: int = 64 * 1024 * 1024, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        with contextlib.suppress(OSError):  # a full or read-only disk: then nothing waits there
            durable.make_folder(folder)
        self._fates = fates.load(folder)
        present = {path.name for path in segments.paths(folder)}
        self._fates.done = {name: done for name, done in self._fates.done.items() if name in present}
        self._segments: dict[str, _Segment] = {}
        if self._fates.is_lost:
            self._scan()
            self._fates.is_lost = False
            self._fates.doubted = {one.id for one in self._waiting() if one.kind is Kind.WINDOW}

    def pending(self, limit: int, max_bytes: int) -> list[Entry]:
        """At most `limit` records of together `max_bytes` (but at least one), the worthiest first (see `worth`).

        Nothing may leave the device before `sending` has noted it.
        """
        self._scan()
        entries = self._drops()
        total_bytes = 0
        for place in worth.in_order(self._waiting(), self._fates.doubted):
            if len(entries) >= limit:
                break
            total_bytes += place.size_bytes
            if entries and total_bytes > max_bytes:
                break
            if (record := _read_at(self._folder / place.segment, place)) is not None:
                entries.append(Entry(record, place.size_bytes))
        return sorted(entries, key=lambda entry: not isinstance(entry.record, InstallReport))

    def sending(self, entries: Sequence[Entry]) -> list[Entry]:
        """Note durably that these records leave now: until an answer comes, nobody knows whether they have arrived.

        Returns those that may leave: all of them, but no windows while the disk takes no note at all.
        """
        windows = {entry.record.id for entry in entries if isinstance(entry.record, ProfileWindow)}
        drops = self._fates.dropped.fault(0.0).id
        is_telling = self._fates.told is None and any(entry.record.id == drops for entry in entries)
        if is_telling:
            self._fates.told, self._fates.dropped = self._fates.dropped.fault(self._clock()), Dropped()
        if is_telling or windows - self._fates.doubted:
            self._fates.doubted |= windows
            try:
                self._save()
            except OSError:
                return self._sending_on_a_full_disk(entries)
        return list(entries)

    def acknowledge(self, ids: Iterable[str]) -> None:
        """Forget the records of these ids, durably. Unknown ids are of no effect."""
        self._scan()
        known = set(ids)
        for segment in self._segments.values():
            self._forget([one for one in segment.waiting if one.id in known])
        if self._fates.told is not None and self._fates.told.id in known:
            self._fates.told = None
        self._settle()

    def backlog(self) -> int:
        """How many records wait."""
        self._scan()
        return sum(len(segment.waiting) for segment in self._segments.values())

    def condensable(self) -> int:
        """How many windows wait that are old enough to be merged with others."""
        self._scan()
        newest = worth.newest_end(self._waiting())
        old = (one for one in self._waiting() if one.kind is Kind.WINDOW and condensing.is_old(one.end, newest))
        return sum(one.id not in self._fates.doubted for one in old)

    def adopt(self) -> bool:
        """Let what was condensed take the place of what it was made of, unless anything was sent or acknowledged since.

        From one rename on it does, wherever the power is cut.
        """
        self._scan()
        self._remove_replaced()  # all that an earlier one stands for, before that one may be replaced itself
        path = self._folder / condensing.NEW
        header = condensing.read_header(path)
        is_good = header is not None and header.generation == self._fates.generation
        if header is None or not is_good or not set(header.segments) <= self._segments.keys():
            durable.remove(path)
            return False
        os.rename(path, segments.next_path(self._folder, condensing.WRITER))
        durable.sync_folder(self._folder)
        self._scan()
        self._remove_replaced()
        return True

    def shed(self) -> None:
        """Give up the least worthy where the spool is nearly full; one fault will tell how much that was."""
        excess_bytes = segments.total_bytes(self._folder, self._max_bytes) - int(SHED_SHARE * self._max_bytes)
        if excess_bytes <= 0:
            return
        self._scan()
        whole = {name: list(one.waiting) for name, one in self._segments.items() if one.waiting}
        closed = {name: all for name, all in whole.items() if segments.is_abandoned(self._folder / name)}
        sizes = {name: sum(one.size_bytes for one in places) for name, places in closed.items()}
        counted = {name: segments.counted_bytes(size_bytes, self._max_bytes) for name, size_bytes in sizes.items()}
        doomed = worth.least_worthy(closed, counted, excess_bytes, int(FAULTS_SHARE * self._max_bytes))
        dropped = [one for name in doomed for one in closed[name]]
        if dropped:
            self._forget(dropped)
            self._fates.dropped = _added(self._fates.dropped, dropped, self._clock())
            self._settle()

    def _sending_on_a_full_disk(self, entries: Sequence[Entry]) -> list[Entry]:
        """What is sent makes room: a note that needs none says that everything which waits may have been sent."""
        try:
            fates.doubt_all(self._folder)
        except OSError:
            return [entry for entry in entries if not isinstance(entry.record, ProfileWindow)]
        self._fates.doubted = {one.id for one in self._waiting() if one.kind is Kind.WINDOW}
        return list(entries)

    def _drops(self) -> list[Entry]:
        told, dropped = self._fates.told, self._fates.dropped
        fault = told or (dropped.fault(self._clock()) if dropped.since else None)
        return [Entry(fault, len(frames.encode(fault)))] if fault is not None else []

    def _waiting(self) -> Iterator[Place]:
        return (place for segment in self._segments.values() for place in segment.waiting)

    def _forget(self, places: Sequence[Place]) -> None:
        offsets: dict[str, set[int]] = {}
        for one in places:
            offsets.setdefault(one.segment, set()).add(one.offset)
        for name, gone in offsets.items():
            self._fates.done[name] = self._fates.done.get(name, set()) | gone
            segment = self._segments[name]
            segment.waiting = [one for one in segment.waiting if one.offset not in gone]

    def _settle(self) -> None:
        """Delete what holds nothing more, which makes room on a full disk, then save.

        A crash in between sends again what the hub already knows.
        """
        self._remove_replaced()
        self._delete_finished()
        self._save()

    def _save(self) -> None:
        if self._fates.doubted:
            self._fates.doubted &= {one.id for one in self._waiting()}
        fates.save(self._folder, self._fates)

    def _scan(self) -> None:
        paths = segments.paths(self._folder)
        known = {path.name: self._segments.get(path.name) or _Segment(path) for path in paths}
        for name, segment in known.items():
            with contextlib.suppress(
                OSError
            ):  # the disk, or too many open files: what it holds waits for a better time
                segment.read_on(self._fates.done.get(name, set()))
        replaced = {name for segment in known.values() for name in segment.replaces}
        self._segments = {name: segment for name, segment in known.items() if name not in replaced}

    def _remove_replaced(self) -> None:
        """Delete, durably, what condensed segments stand for, before any of these may go itself."""
        gone = [self._folder / name for segment in self._segments.values() for name in segment.replaces]
        there = [path for path in gone if path.exists()]
        for path in there:
            path.unlink(missing_ok=True)
            self._fates.done.pop(path.name, None)
        if there:
            durable.sync_folder(self._folder)

    def _delete_finished(self) -> None:
        """Delete segments that hold nothing more and whose writer has gone."""
        for name in [name for name, segment in self._segments.items() if not segment.waiting]:
            if (fd := segments.lock_abandoned(self._folder / name)) is None:
                continue
            try:
                self._delete_read(name)
            except OSError:  # it cannot be read to its end, or not be deleted: another time
                continue
            finally:
                os.close(fd)

    def _delete_read(self, name: str) -> None:
        self._segments[name].read_on(self._fates.done.get(name, set()))
        if not self._segments[name].waiting:  # else it was written in the last moment
            (self._folder / name).unlink(missing_ok=True)
            del self._segments[name]
            self._fates.done.pop(name, None)


class _Segment:
    """One segment as far as it was read."""

    def __init__(self, path: Path) -> None:
        self.waiting: list[Place] = []
        self.replaces: tuple[str, ...] = ()
        self._path = path
        self._end = 0

    def read_on(self, done: set[int]) -> None:
        """Index what was appended since the last time."""
        try:
            if self._path.stat().st_size <= self._end:
                return
            with self._path.open("rb") as file:
                file.seek(self._end)
                data = file.read()
        except FileNotFoundError:
            return
        start = self._end
        for offset, size_bytes, held in frames.walk(data):
            self._end = start + offset + size_bytes
            if isinstance(held, Replaces):
                self.replaces = held.segments
            elif start + offset not in done:
                self.waiting.append(worth.place(self._path.name, start + offset, size_bytes, held))


def _read_at(path: Path, place: Place) -> Record | None:
    try:
        with path.open("rb") as file:
            file.seek(place.offset)
            found = frames.parse(file.read(place.size_bytes))
    except OSError:  # gone, or unreadable: the others must not wait for it
        return None
    return found.held if found is not None and not isinstance(found.held, Replaces) else None


def _added(dropped: Dropped, places: Sequence[Place], now: float) -> Dropped:
    windows = [one for one in places if one.kind is Kind.WINDOW]
    return Dropped(
        faults=dropped.faults + sum(one.kind is Kind.FAULT for one in places),
        samples=dropped.samples + sum(one.kind is Kind.SAMPLE for one in places),
        windows=dropped.windows + len(windows),
        rows=dropped.rows + sum(one.rows for one in windows),
        since=dropped.since or now,
    )
