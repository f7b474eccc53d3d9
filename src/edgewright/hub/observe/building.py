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

MOST_VALUE_CHARS = 150
ACCURACY = "accuracy"
MetricsOf = Callable[[str, int], Mapping[str, float]]
"""What a version measured on its hold-out when it was registered."""
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
        Lenses(schema_of, lambda schema: hold_out_of(schema, metrics_of(schema.model, schema.version))),
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


def hold_out_of(schema: Schema, metrics: Mapping[str, float]) -> HoldOut:
    """How a version did on its hold-out: its accuracy, over as many rows as its reference of answers counts."""
    accuracy = metrics.get(ACCURACY)
    rows = [sum(bins.counts) for bins in schema.bins if bins.feature.measure is Measure.PREDICTED]
    if accuracy is None or not 0 <= accuracy <= 1 or not rows:
        return HoldOut()
    right = accuracy * rows[0]
    return HoldOut(confusion=np.array([[right, rows[0] - right], [0.0, 0.0]]))


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
