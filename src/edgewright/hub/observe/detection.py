"""Detection: the windows that wait become panes of segments, detectors see them, and what they find becomes alarms.

It reads and computes outside of the writer's place, and then saves all of a batch at once: what a person resolved
meanwhile is not undone, the batch is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from edgewright.contract.api import AlertLevel, AlertRecord
from edgewright.hub.db import Database
from edgewright.hub.observe import table
from edgewright.hub.observe.alarming import Alarming, CohortsOf
from edgewright.hub.observe.alerts import Alarm, Alerts
from edgewright.hub.observe.detectors import Pane
from edgewright.hub.observe.segments import WHOLE, Segment, Watch, panes, watched_cohorts
from edgewright.hub.observe.segments import table as segment_table
from edgewright.hub.observe.segments.capping import Capped, Caps
from edgewright.hub.observe.segments.mapping import mapped
from edgewright.hub.observe.segments.model import MIN_PANE_ROWS
from edgewright.hub.observe.segments.panes import Lesson, Seen
from edgewright.hub.observe.segments.watching import Place, Step
from edgewright.hub.observe.windows import Lens, Lenses
from edgewright.hub.observe.windows import table as window_table

WINDOWS_AT_ONCE = 2000
POINTS_KEPT = 2000
PLACE = "observe"
DRIFT = "data-drift"
"""Whose effects are drawn over time."""
FLEET = Segment(AlertLevel.FLEET)
ALL_VERSIONS = 0


@dataclass
class Batch:
    """What one look has found, and what is to be saved of it."""

    numbers: list[int]
    quiet: Mapping[Segment, float]
    is_more: bool
    steps: list[Step] = field(default_factory=list)
    fleet_steps: list[Step] = field(default_factory=list)
    panes: dict[Segment, list[Pane]] = field(default_factory=dict)
    lessons: dict[Segment, list[Lesson]] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    points: list[dict[str, object]] = field(default_factory=list)
    capped: Capped | None = None
    alarms: list[Alarm] = field(default_factory=list)
    alarmed: dict[Place, float] = field(default_factory=dict)
    unusual: set[Segment] = field(default_factory=set)


class Detection:
    """Looks at what waits of a version. One thread of all hubs does so at a time."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], float],
        lenses: Lenses,
        watch: Watch,
        alerts: Alerts,
        cohorts_of: CohortsOf,
    ) -> None:
        self._db = db
        self._clock = clock
        self._lenses = lenses
        self._watch = watch
        self._alerts = alerts
        self._cohorts_of = cohorts_of
        self._caps = Caps()
        self._alarming = Alarming(watch, cohorts_of)

    def detect(self, model: str, version: int) -> AlertRecord | None:
        """Show the detectors all windows that wait. Returns the first alert that this raised."""
        lens = self._lenses.of(model, version)
        raised: list[AlertRecord] = []
        with self._db.alone(PLACE):
            while lens is not None:
                batch = self._look(lens)
                if batch is None:
                    break
                raised += self._save(lens, batch)
                if not batch.is_more:
                    break
        return next(iter(raised), None)

    def _look(self, lens: Lens) -> Batch | None:
        """A batch of waiting windows, in the order of time; None where too few rows wait for a pane."""
        with self._db.read() as connection:
            windows = window_table.waiting(connection, lens.model, lens.version, WINDOWS_AT_ONCE)
            quiet = segment_table.segments(connection, lens.model, lens.version)
            devices = window_table.devices_waiting(connection, lens.model, lens.version)
            if not self._caps.is_mixed(connection, lens, devices, self._clock()):
                return None
            fresh = [one for one in windows if one["end"] > quiet.get(WHOLE, 0.0)]
            fresh.sort(key=lambda one: (one["end"], one["number"]))
            batch = Batch([one["number"] for one in windows], quiet, len(windows) == WINDOWS_AT_ONCE)
            if sum(one["rows"] for one in fresh) < MIN_PANE_ROWS:
                waits = {one["number"] for one in fresh}
                batch.numbers = [number for number in batch.numbers if number not in waits]
                batch.is_more = bool(batch.numbers) and batch.is_more
                return batch if batch.numbers else None
            batch.capped = self._caps.look(connection, lens, fresh, self._clock())
            self._see(connection, lens, batch, fresh)
            return batch

    def _see(self, connection: sa.Connection, lens: Lens, batch: Batch, fresh: Sequence[sa.RowMapping]) -> None:
        shares, is_large = (batch.capped.shares, batch.capped.is_large) if batch.capped else ((), False)
        seen = panes.read(lens, fresh, shares)
        seen = panes.levelled(seen) if is_large else seen
        before = self._before(connection, lens)
        cohorts = self._cohorts_of(sorted({one.device for one in seen}))
        slices = panes.cut(fresh, shares, is_large=is_large)
        for one in slices:
            self._cut(connection, lens, batch, WHOLE, seen[one], before, cohorts)
        self._cut_cohorts(connection, lens, batch, seen, before, cohorts)
        batch.steps = self._watch.see(connection, lens, batch.panes)
        batch.fleet_steps = self._see_fleet(connection, lens, batch.panes[WHOLE])
        batch.points = self._points(lens, batch, seen, slices)
        for version, steps in ((lens.version, batch.steps), (ALL_VERSIONS, batch.fleet_steps)):
            together = self._watch.together(connection, lens.model, version, steps)
            found = self._alarming.alarms(connection, lens, together, version)
            batch.alarms += found.alarms
            batch.alarmed |= found.effects
            batch.unusual |= found.unusual

    def _cut_cohorts(
        self,
        connection: sa.Connection,
        lens: Lens,
        batch: Batch,
        seen: Sequence[Seen],
        before: panes.Floats | None,
        cohorts: Mapping[str, Sequence[str]],
    ) -> None:
        """One pane for each cohort that is watched: of two values of a label at least, both heard of by now."""
        segments = panes.by_segment(seen, cohorts)
        names = {where.name for where in (*batch.quiet, *segments) if where.level is AlertLevel.COHORT}
        watched = watched_cohorts(names)
        batch.segments = [WHOLE, FLEET, *segments]
        for where, some in segments.items():
            late = [one for one in some if one.end > batch.quiet.get(where, 0.0)]
            if where.name in watched and late:
                self._cut(connection, lens, batch, where, late, before, cohorts)

    def _cut(
        self,
        connection: sa.Connection,
        lens: Lens,
        batch: Batch,
        where: Segment,
        seen: Sequence[Seen],
        before: panes.Floats | None,
        cohorts: Mapping[str, Sequence[str]],
    ) -> None:
        """These windows as a pane of a segment, with what its hours bring and have brought before."""
        is_large = batch.capped is not None and batch.capped.is_large
        pane = panes.pane_of(lens.schema, seen, before, cohorts, is_large=is_large)
        taught = panes.lessons(lens.schema, seen, is_large=is_large)
        pane = replace(pane, expected=panes.expected(connection, lens, where, taught))
        batch.panes.setdefault(where, []).append(pane)
        batch.lessons.setdefault(where, []).extend(taught)

    def _see_fleet(self, connection: sa.Connection, lens: Lens, whole: Sequence[Pane]) -> list[Step]:
        """The same panes as part of all versions, as far as bins are the same in all of them."""
        newest = max(segment_table.versions(connection, lens.model) | {lens.version})
        onto = self._lenses.of(lens.model, newest) or lens
        some = [Pane(pane.start, pane.end, pane.rows, mapped(pane.counts, lens.schema, onto.schema)) for pane in whole]
        return self._watch.see(connection, onto, {FLEET: some}, ALL_VERSIONS)

    def _before(self, connection: sa.Connection, lens: Lens) -> panes.Floats | None:
        """What the version before counted of late, as far as its bins are this one's."""
        before = segment_table.version_before(connection, lens.model, lens.version)
        old = self._lenses.of(lens.model, before) if before else None
        if old is None:
            return None
        counts = segment_table.all_hours(connection, old.model, old.version, old.schema.offsets[-1])
        found = mapped(counts, old.schema, lens.schema)
        return found if found.any() else None

    def _points(
        self, lens: Lens, batch: Batch, seen: Sequence[Seen], slices: Sequence[slice]
    ) -> list[dict[str, object]]:
        """The chart's points: what stands after the batch, at the time of each pane."""
        finding = next((one.finding for one in batch.steps if (one.where, one.name) == (WHOLE, DRIFT)), None)
        effects = {one.feature: round(one.effect, 4) for one in finding.changes} if finding else {}
        return [
            {
                "model": lens.model,
                "version": lens.version,
                "at": pane.end,
                "rows": int(sum(one.rows for one in seen[part])),
                "effects": effects,
            }
            for pane, part in zip(batch.panes[WHOLE], slices, strict=True)
        ]

    def _save(self, lens: Lens, batch: Batch) -> list[AlertRecord]:
        model, version = lens.model, lens.version
        with self._db.write() as connection:
            if segment_table.segments(connection, model, version) != batch.quiet:
                return []  # somebody resolved an alert meanwhile: the windows wait on, and are looked at again
            window_table.mark_seen(connection, batch.numbers)
            if batch.capped is None:
                return []
            segment_table.note_segments(connection, model, version, batch.segments, self._clock())
            self._caps.note(connection, lens, batch.capped)
            self._watch.save(connection, model, version, batch.steps, batch.alarmed)
            self._watch.save(connection, model, ALL_VERSIONS, batch.fleet_steps, batch.alarmed)
            for where, taught in batch.lessons.items():
                for lesson in () if where in batch.unusual else taught:
                    panes.remember(connection, lens, where, lesson)
            connection.execute(sa.insert(table.point), batch.points)
            table.prune_points(connection, model, version, POINTS_KEPT)
            raised = [self._alerts.raise_(connection, alarm) for alarm in batch.alarms]
        return [alert for alert in raised if alert is not None]
