"""What labels say of answers: shown to the detectors in the order of their arrival, with the groups of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import sqlalchemy as sa

from edgewright.contract.api import AlertRecord
from edgewright.hub.db import Database
from edgewright.hub.observe.alarming import Alarming, CohortsOf
from edgewright.hub.observe.alerts import Alerts
from edgewright.hub.observe.detectors import Answers, Pane
from edgewright.hub.observe.segments import WHOLE, Watch
from edgewright.hub.observe.segments import table as segment_table
from edgewright.hub.observe.windows import Lens, Lenses

AT_ONCE = 2000
EVEN = "reservoir"
LEAST_SPAN_S = 60.0


class Answered(Protocol):
    """A labelled answer; see the data room's Answer."""

    @property
    def number(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def labelled_at(self) -> float: ...
    @property
    def predicted(self) -> int | None: ...
    @property
    def label(self) -> int: ...
    @property
    def chosen_as(self) -> str: ...
    @property
    def groups(self) -> Mapping[str, str]: ...
    @property
    def score(self) -> float | None: ...


AnswersOf = Callable[[sa.Connection, str, int, int], Sequence[Answered]]
"""A version's labelled answers, after a number, in the order in which their labels came."""


class LabelledAnswers:
    """Reads on where it stopped: each answer is seen once, whatever a crash cuts off."""

    def __init__(
        self,
        db: Database,
        lenses: Lenses,
        watch: Watch,
        alerts: Alerts,
        answers_of: AnswersOf,
        cohorts_of: CohortsOf,
    ) -> None:
        self._db = db
        self._lenses = lenses
        self._watch = watch
        self._alerts = alerts
        self._answers_of = answers_of
        self._cohorts_of = cohorts_of
        self._alarming = Alarming(watch, cohorts_of)

    def detect(self, model: str) -> list[AlertRecord]:
        """Show the detectors what was labelled of all versions of a model; returns the alerts that this raised."""
        raised = []
        with self._db.read() as connection:
            seen = segment_table.labels_seen(connection, model)
        for version, number in sorted(seen.items()):
            lens = self._lenses.of(model, version)
            if lens is not None:
                raised += self._detect(lens, number)
        return raised

    def _detect(self, lens: Lens, after: int) -> list[AlertRecord]:
        model, version = lens.model, lens.version
        with self._db.alone("observe"):
            with self._db.read() as connection:
                found = self._answers_of(connection, model, version, after)[:AT_ONCE]
                known = [one for one in found if one.predicted is not None]
                quiet = segment_table.segments(connection, model, version)
                fresh = [one for one in known if one.labelled_at > quiet.get(WHOLE, 0.0)]
                panes = {WHOLE: [pane_of(fresh, self._cohorts_of(sorted({one.device for one in fresh})))]}
                steps = self._watch.see(connection, lens, panes) if fresh else []
                together = self._watch.together(connection, model, version, steps)
                alarms = self._alarming.alarms(connection, lens, together, version)
            if not found:
                return []
            with self._db.write() as connection:
                if segment_table.segments(connection, model, version) != quiet:
                    return []
                self._watch.save(connection, model, version, steps, alarms.effects)
                segment_table.save_labels_seen(connection, model, version, found[-1].number)
                raised = [self._alerts.raise_(connection, alarm) for alarm in alarms.alarms]
        more = self._detect(lens, found[-1].number) if len(found) == AT_ONCE else []
        return [alert for alert in raised if alert is not None] + more


def pane_of(answers: Sequence[Answered], cohorts: Mapping[str, Sequence[str]]) -> Pane:
    """Labelled answers as a pane without counts. A device's cohorts are groups beside those that a sample names."""
    groups = [_groups(one, cohorts.get(one.device, ())) for one in answers]
    names = sorted({name for of in groups for name in of})
    times = [one.labelled_at for one in answers]
    predicted = np.array([np.nan if one.predicted is None else one.predicted for one in answers], np.float64)
    labels = np.array([one.label for one in answers], np.float64)
    found = Answers(
        labelled_at=np.array(times, np.float64),
        predicted=predicted,
        label=labels,
        is_wrong=predicted != labels,
        is_even=np.array([one.chosen_as == EVEN for one in answers], np.bool_),
        score=np.array([np.nan if one.score is None else one.score for one in answers], np.float64),
        groups={name: [of.get(name, "") for of in groups] for name in names},
    )
    end = max(times, default=0.0)
    return Pane(min([*times, end - LEAST_SPAN_S]), end, 0.0, np.zeros(0), answers=found)


def _groups(one: Answered, cohorts: Sequence[str]) -> dict[str, str]:
    own = dict(name.split("=", 1) for name in cohorts)
    return {**own, **one.groups}
