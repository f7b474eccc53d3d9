"""Runs detectors over the panes of segments, and judges all that is watched of a version together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog

from edgewright.contract.errors import HostileInput
from edgewright.hub.observe.detectors import THRESHOLD, Change, Detector, Finding, Pane, Reads, over_all
from edgewright.hub.observe.segments import table
from edgewright.hub.observe.segments.model import Segment, is_watched
from edgewright.hub.observe.windows.lenses import Lens

WATCHED_S = 7 * 86400.0
"""What was not heard of for a week does not count among what is watched."""
Place = tuple[Segment, str]
"""A segment, and the detector that watches it."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Known:
    """A detector on a segment: where it stands."""

    where: Segment
    name: str
    detector: Detector[Any]
    state: Any
    is_new: bool


@dataclass(frozen=True)
class Step:
    """What one detector found on one segment, and where it stands now; see `Watch.save`."""

    where: Segment
    name: str
    finding: Finding
    state: bytes
    is_new: bool


class Watch:
    """Steps and judges. States are bounded: one for each detector on each segment that it watches."""

    def __init__(self, clock: Callable[[], float], detectors: Mapping[str, Detector[Any]]) -> None:
        self._clock = clock
        self.detectors = detectors

    def see(
        self, connection: sa.Connection, lens: Lens, panes: Mapping[Segment, Sequence[Pane]], version: int | None = None
    ) -> list[Step]:
        """Show each segment its panes: what its detectors find, each by itself. Nothing is saved yet.

        `version` is that under which states are kept, where it is not the lens's own.
        """
        kept = lens.version if version is None else version
        found = []
        for where, some in panes.items():
            for one in self._known(connection, lens, kept, where, _reads(some)):
                state = one.state
                for pane in some:
                    state = one.detector.step(state, lens.baseline, pane)
                finding = one.detector.judge(state, lens.baseline)
                found.append(Step(where, one.name, finding, one.detector.encode(state), one.is_new))
        return found

    def save(
        self, connection: sa.Connection, model: str, version: int, steps: Sequence[Step], alarmed: Mapping[Place, float]
    ) -> None:
        """Save where detectors stand; `alarmed` are those that alarm, with their largest effect."""
        now = self._clock()
        rows = [
            {
                "level": one.where.level,
                "name": one.where.name,
                "detector": one.name,
                "state": one.state,
                "watched": one.finding.watched,
                "evidence": _certain(one.finding),
                "effect": alarmed.get((one.where, one.name), 0.0),
                "updated_at": now,
            }
            for one in steps
        ]
        table.save(connection, model, version, rows, {(one.where, one.name) for one in steps if not one.is_new})

    def together(
        self, connection: sa.Connection, model: str, version: int, steps: Sequence[Step]
    ) -> dict[Place, Finding]:
        """The findings with the alarms that are left where all that is watched of the version is judged together.

        One false alarm in 30 days is what is let through of a version, whatever it is cut into.
        """
        found = {(one.where, one.name): one.finding for one in steps}
        if not any(_certain(finding) for finding in found.values()):
            return {}
        watched, certain = 0, []
        for place, count, evidence in table.watched(connection, model, version, self._clock() - WATCHED_S):
            if place not in found:
                watched += count
                certain += evidence
        first = next(iter(found.values()))
        others = tuple(Change("", 1.0, "", 0.0, value) for value in certain)
        rest = Finding(first.kind, first.against, others, watched)
        judged = over_all({**found, None: rest})
        return {place: judged[place] for place in found if judged[place].is_alarm}

    def standing(self, connection: sa.Connection, lens: Lens, where: Segment) -> dict[str, Finding]:
        """What the detectors of a segment say now, each by itself."""
        every = frozenset(Reads)
        known = self._known(connection, lens, lens.version, where, every)
        return {one.name: one.detector.judge(one.state, lens.baseline) for one in known if not one.is_new}

    def _known(
        self, connection: sa.Connection, lens: Lens, version: int, where: Segment, reads: frozenset[Reads]
    ) -> Iterator[Known]:
        rows = table.load(connection, lens.model, version, where)
        for name, detector in self.detectors.items():
            if is_watched(where, detector.kind) and detector.reads & reads and detector.watches(lens.baseline):
                row = rows.get(name)
                yield Known(where, name, detector, _state(detector, lens, row), row is None)


def _state(detector: Detector[Any], lens: Lens, row: sa.RowMapping | None) -> Any:
    """The saved state; a fresh one where it was saved by another release."""
    if row is None:
        return detector.fresh(lens.baseline)
    try:
        return detector.decode(row["state"], lens.baseline)
    except HostileInput as error:
        log.warning("observe.state_unreadable", model=lens.model, version=lens.version, why=error.message)
        return detector.fresh(lens.baseline)


def _reads(panes: Sequence[Pane]) -> frozenset[Reads]:
    has = {
        Reads.COUNTS: any(pane.rows for pane in panes),
        Reads.ANSWERS: any(pane.answers is not None for pane in panes),
        Reads.DEVICES: any(pane.devices is not None for pane in panes),
    }
    return frozenset(reads for reads, is_there in has.items() if is_there)


def _certain(finding: Finding) -> list[float]:
    """The evidence of what is large, and would be an alarm if nothing else were watched."""
    return [round(one.evidence, 2) for one in finding.changes if one.is_large and one.evidence >= THRESHOLD]
