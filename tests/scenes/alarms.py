"""An alarm as detectors raise it, and changes of it."""

from __future__ import annotations

import dataclasses

from edgewright.contract.api import AlertKind, AlertLevel, AlertRecord, FeatureDrift
from edgewright.hub.observe.alerts import Alarm

FLOW = FeatureDrift(feature="flow", effect=0.4, evidence=20.0, direction="higher")
ALARM = Alarm(
    model="press",
    version=1,
    kind=AlertKind.DATA_DRIFT,
    level=AlertLevel.VERSION,
    segment="",
    detector="data-drift",
    since=100.0,
    rows=500,
    effect=0.2,
    times_over=2.0,
    features=(FLOW,),
    devices=("dev-1",),
    compared_with="the training data",
    designed_days=30.0,
)


def at(level: AlertLevel, segment: str, **changes) -> Alarm:
    return dataclasses.replace(ALARM, level=level, segment=segment, **changes)


def raised(line, alarm: Alarm = ALARM) -> AlertRecord | None:
    """The alert that this alarm raises, if it is a new one."""
    with line.db.write() as connection:
        return line.alerts.raise_(connection, alarm)
