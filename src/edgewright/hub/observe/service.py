"""Observation's verbs: take windows in, detect what is wrong, show it, and close alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import (
    AlertKind,
    AlertLevel,
    AlertRecord,
    DriftPoint,
    DriftStatus,
    SegmentRecord,
    UsageRecord,
)
from edgewright.contract.report import ProfileWindow, Sample
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.observe import behaviour, table
from edgewright.hub.observe.alarming import CohortsOf, drifts, told
from edgewright.hub.observe.alerts import LIVE, Alerts, Wanted
from edgewright.hub.observe.detection import DRIFT, Detection
from edgewright.hub.observe.detectors import THRESHOLD, Detector
from edgewright.hub.observe.labelled import AnswersOf, LabelledAnswers
from edgewright.hub.observe.segments import WHOLE, Segment, Watch
from edgewright.hub.observe.segments import table as segment_table
from edgewright.hub.observe.windows import Intake, Lens, Lenses
from edgewright.hub.observe.windows import table as window_table
from edgewright.hub.rollout.gates import Counted

SERIES_POINTS = 200
KEPT_S = 90 * 86400.0
"""Segments that nothing was heard of for so long are forgotten."""
LOOK_AGAIN_S = 2.0
GATED = frozenset({AlertKind.DATA_DRIFT, AlertKind.EMBEDDING_DRIFT})
"""What the gate 'drift' of a rollout looks at."""


class Observe:
    """Keeps every window that devices send, once, and watches each version's segments."""

    def __init__(
        self,
        db: Database,
        events: Events,
        clock: Callable[[], float],
        alerts: Alerts,
        lenses: Lenses,
        detectors: Mapping[str, Detector[Any]],
        *,
        cohorts_of: CohortsOf = lambda devices: {},
        answers_of: AnswersOf = lambda connection, model, version, after: (),
    ) -> None:
        self._db = db
        self._clock = clock
        self._alerts = alerts
        self._lenses = lenses
        self._intake = Intake(db, events, clock, lenses)
        self._watch = Watch(clock, detectors)
        self._detection = Detection(db, clock, lenses, self._watch, alerts, cohorts_of)
        self._labelled = LabelledAnswers(db, lenses, self._watch, alerts, answers_of, cohorts_of)
        self._due: dict[tuple[str, int], None] = {}
        self._looked_at: dict[tuple[str, int], float] = {}
        alerts.on_resolved = self._begin_afresh

    def ingest(self, connection: sa.Connection, device: str, windows: Sequence[ProfileWindow]) -> list[str]:
        """Store the windows of `device`, each once, and return all their ids; see `Intake.take`."""
        return self._intake.take(connection, device, windows)

    def detect(self, model: str, version: int) -> AlertRecord | None:
        """Show the detectors all windows that wait; returns the first alert that this raised."""
        return self._detection.detect(model, version)

    def on_windows(self, event: Event) -> None:
        """Windows have come. A version is looked at again after some seconds, however many devices tell of it."""
        self._due[event.data["model"], event.data["version"]] = None
        self.catch_up()

    def catch_up(self) -> None:
        """Look at the versions that have news and were not looked at just now."""
        now = self._clock()
        for key in list(self._due):
            if not 0 <= now - self._looked_at.get(key, float("-inf")) < LOOK_AGAIN_S:
                self._looked_at[key] = now
                self._due.pop(key, None)
                self.detect(*key)

    def recover(self) -> None:
        """Have everything looked at that waits since another life of the hub."""
        with self._db.read() as connection:
            self._due |= dict.fromkeys(window_table.versions_waiting(connection))

    def on_labelled(self, event: Event) -> None:
        """People have said what samples show."""
        self._labelled.detect(event.data["model"])

    def status(self, model: str = "") -> list[DriftStatus]:
        """Where each model version stands that devices have reported on."""
        with self._db.read() as connection:
            totals = window_table.by_version(connection, model)
            return [
                self._status(connection, lens, one)
                for one in totals
                if (lens := self._lenses.of(one["model"], one["version"])) is not None
            ]

    def segments(self, model: str, version: int) -> list[SegmentRecord]:
        """What each detector says of each segment of a version, the most evident first."""
        lens = self._lenses.of(model, version)
        if lens is None:
            return []
        with self._db.read() as connection:
            known = segment_table.segments(connection, model, version)
            found = [
                told(where, name, finding)
                for where in known
                for name, finding in self._watch.standing(connection, lens, where).items()
            ]
        return sorted(found, key=lambda one: -one.evidence)

    def served(
        self,
        connection: sa.Connection,
        model: str,
        devices: Sequence[str],
        since: float,
        until: float,
        *,
        version: int = 0,
        not_version: int = 0,
    ) -> Mapping[str, Counted]:
        """What each device answered in that span, by one version or by all but one."""
        return behaviour.served(connection, model, devices, since, until, version=version, not_version=not_version)

    def drift(self, connection: sa.Connection, model: str, version: int) -> float | None:
        """How far a version's data are from its training data: the largest effect that alarms, 0.0 where none does;
        None before anything was seen.

        It is what alarms among all that is watched, and stays large without the devices that make most of it, one in
        twenty; and what did so before, for as long as its alert is not resolved. Advice does not count.
        """
        named = [name for name, one in self._watch.detectors.items() if one.kind in GATED and not one.is_advice]
        now = segment_table.effect_of(connection, model, version, named)
        if now is None:
            return None
        live = self._alerts.read(connection, Wanted(model=model, levels=(AlertLevel.VERSION,), states=LIVE))
        mine = [one.effect for one in live if one.version == version and one.detector in named]
        return max([now, *mine])

    def predicted(self, sample: Sample) -> int | None:
        """Which class the version that answered chose for a sample; None where that cannot be said."""
        lens = self._lenses.of(sample.model, sample.version)
        return None if lens is None else behaviour.predicted(lens.schema.contract, sample)

    def scored(self, sample: Sample) -> float | None:
        """How sure the version that answered was of a sample; None where that cannot be said."""
        lens = self._lenses.of(sample.model, sample.version)
        return None if lens is None else behaviour.scored(lens.schema.contract, sample)

    def usage(self, model: str = "") -> list[UsageRecord]:
        """What each device's profiles add up to, by version."""
        with self._db.read() as connection:
            rows = window_table.totals(connection, model)
        return [UsageRecord(**{str(name): value for name, value in row.items()}) for row in rows]

    def resolve(self, connection: sa.Connection, model: str, why: str = "") -> list[str]:
        """Resolve the model's live alerts and start its detectors afresh; returns the alerts' ids.

        Windows that ended before now and come later count as usage, and raise nothing.
        """
        ids = self._alerts.resolve_all(connection, model, why)
        segment_table.quieten(connection, model, 0, None, self._clock())
        return ids

    def look_after(self) -> None:
        """Forget what is old; to be called a few times a day."""
        self._intake.prune()
        self._alerts.prune()
        with self._db.write() as connection:
            segment_table.prune(connection, self._clock() - KEPT_S)

    def _begin_afresh(self, connection: sa.Connection, alert: AlertRecord) -> None:
        """An alert was resolved: its segment, and those folded into it, are watched from now on as if they were new."""
        names = [Segment(alert.level, alert.segment), *(Segment(AlertLevel.COHORT, name) for name in alert.folded)]
        now = self._clock()
        for where in names:
            segment_table.quieten(connection, alert.model, alert.version, where, now)

    def _status(self, connection: sa.Connection, lens: Lens, totals: sa.RowMapping) -> DriftStatus:
        finding = self._watch.standing(connection, lens, WHOLE).get(DRIFT)
        alerts = [
            one
            for one in self._alerts.read(connection, Wanted(model=lens.model, limit=SERIES_POINTS))
            if one.version == lens.version
        ]
        is_drifting = any(one.state.is_live and one.level is AlertLevel.VERSION for one in alerts)
        points = table.series(connection, lens.model, lens.version, SERIES_POINTS)
        return DriftStatus(
            model=lens.model,
            version=lens.version,
            is_drifting=is_drifting,
            rows=totals["rows"],
            windows=totals["windows"],
            devices=totals["devices"],
            evidence=finding.evidence if finding else 0.0,
            threshold=THRESHOLD,
            features=drifts(finding.changes) if finding else (),
            series=tuple(DriftPoint(at=row["at"], rows=row["rows"], effects=row["effects"]) for row in points),
            alerts=tuple(alerts),
        )
