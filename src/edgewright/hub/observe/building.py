"""Builds the room: observation, alerts, routes and upkeep, put together by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.contract.profile import Measure, Schema
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import DeviceFacts
from edgewright.hub.govern import Audit
from edgewright.hub.jobs import Jobs
from edgewright.hub.observe.alarming import CohortsOf
from edgewright.hub.observe.alerts import Alerts
from edgewright.hub.observe.detectors import HoldOut, detectors
from edgewright.hub.observe.labelled import AnswersOf
from edgewright.hub.observe.routes import Routes
from edgewright.hub.observe.routes.service import NEWS
from edgewright.hub.observe.service import Observe
from edgewright.hub.observe.upkeep import Upkeep
from edgewright.hub.observe.windows import Lenses, SchemaOf
from edgewright.hub.registry import HoldOutCounts

MOST_VALUE_CHARS = 150
ACCURACY = "accuracy"
MetricsOf = Callable[[str, int], Mapping[str, float]]
"""What people said that a version measured when they registered it."""
CountsOf = Callable[[str, int], HoldOutCounts | None]
"""What the labels of a version's hold-out say of its answers; None where that was not counted."""
Named = Callable[[Collection[str]], Iterable[DeviceFacts]]


@dataclass(frozen=True)
class Observation:
    """The parts of the room."""

    observe: Observe
    alerts: Alerts
    routes: Routes
    upkeep: Upkeep


def build(
    db: Database,
    events: Events,
    audit: Audit,
    clock: Callable[[], float],
    jobs: Jobs,
    *,
    schema_of: SchemaOf,
    metrics_of: MetricsOf,
    counts_of: CountsOf,
    answers_of: AnswersOf,
    named: Named,
    labels: Sequence[str],
    key: bytes,
) -> Observation:
    """Put the room together and have it hear of windows, labels and alerts; `labels` are those that make cohorts."""
    alerts = Alerts(db, events, audit, clock)
    observe = Observe(
        db,
        events,
        clock,
        alerts,
        Lenses(schema_of, lambda schema: _hold_out(schema, metrics_of, counts_of)),
        detectors(),
        cohorts_of=cohorts_by(named, labels),
        answers_of=answers_of,
    )
    routes = Routes(db, audit, clock, jobs, alerts, key)
    events.subscribe("observe.windows", observe.on_windows)
    events.subscribe("data.labelled", observe.on_labelled)
    for kind in NEWS:
        events.subscribe(kind, routes.on_news)
    return Observation(observe, alerts, routes, Upkeep(db, clock, observe, alerts, routes))


def hold_out_of(schema: Schema, metrics: Mapping[str, float], counts: HoldOutCounts | None = None) -> HoldOut:
    """How a version did on its hold-out, as was counted from the labels when it was registered.

    Versions that were registered before the hub did so, and those whose hold-out has no labels, have no counts. Then it
    is the accuracy that they were registered with, over as many rows as the reference of answers counts: which classes
    are taken for which, and how far the scores can be trusted, is not known. Nothing is known without an accuracy.
    """
    if counts is not None:
        size = len(counts.confusion)
        return HoldOut(
            confusion=np.array(counts.confusion, np.float64).reshape(size, size),
            scored=np.array(counts.scored, np.float64) if counts.scored else None,
            right=np.array(counts.right, np.float64) if counts.scored else None,
            others=(float(counts.others_right), float(counts.others_wrong)),
        )
    accuracy = metrics.get(ACCURACY)
    rows = [sum(bins.counts) for bins in schema.bins if bins.feature.measure is Measure.PREDICTED]
    if accuracy is None or not 0 <= accuracy <= 1 or not rows:
        return HoldOut()
    right = accuracy * rows[0]
    return HoldOut(confusion=np.array([[right, rows[0] - right], [0.0, 0.0]]))


def _hold_out(schema: Schema, metrics_of: MetricsOf, counts_of: CountsOf) -> HoldOut:
    model, version = schema.model, schema.version
    return hold_out_of(schema, metrics_of(model, version), counts_of(model, version))


def cohorts_by(named: Named, labels: Sequence[str]) -> CohortsOf:
    """The cohorts of devices: by these labels, by hardware class, and by the agent's version."""

    def cohorts_of(devices: Sequence[str]) -> dict[str, list[str]]:
        return {one.id: cohorts_of_one(one, labels) for one in named(devices)}

    return cohorts_of


def cohorts_of_one(device: DeviceFacts, labels: Sequence[str]) -> list[str]:
    """The cohorts that one device is in."""
    values = {label: device.labels.get(label, "") for label in labels}
    values |= {"hardware": device.machine.hardware, "agent": device.agent_version}
    return [f"{label}={value[:MOST_VALUE_CHARS]}" for label, value in values.items() if value]
