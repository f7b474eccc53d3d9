"""An alert in one sentence: what, on what, since when, how much. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edgewright.contract.api import AlertKind, AlertLevel, FeatureDrift
from edgewright.hub.observe.alerts.model import MANY

NAMED = 4
WHAT = {
    AlertKind.DATA_DRIFT: "sees other data than in training",
    AlertKind.EMBEDDING_DRIFT: "sees other things than in training, by its embeddings",
    AlertKind.LABEL_SHIFT: "gives other answers than in training",
    AlertKind.CONCEPT_DRIFT: "is contradicted by labels more often than before",
    AlertKind.FEEDBACK: "is called wrong by its users more often than before",
    AlertKind.ESTIMATED_ACCURACY: "is right less often than before, by its own scores",
    AlertKind.DATA_QUALITY: "gets data of worse quality than in training",
    AlertKind.LATENCY: "answers more slowly than before",
    AlertKind.RESOURCES: "needs more of its machines than before",
    AlertKind.BIAS: "is worse for some groups than for others",
    AlertKind.ODD_DEVICE: "sees what the cohort of its device does not see",
}


def say(
    model: str,
    version: int,
    kind: AlertKind,
    level: AlertLevel,
    segment: str,
    since: float,
    features: Sequence[FeatureDrift],
    devices: Sequence[str],
) -> str:
    """The sentence that people read in lists, letters and logs."""
    named = ", ".join(f"{one.feature} ({one.direction}, {one.effect:.2f})" for one in features[:NAMED])
    more = f" and {len(features) - NAMED} more" if len(features) > NAMED else ""
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(since))
    of = f" version {version}" if version else " on all versions"
    where = _where(level, segment, len(devices))
    return f"{model}{of} {WHAT[kind]} since {moment}{where}" + (f": {named}{more}" if named else "")


def _where(level: AlertLevel, segment: str, devices: int) -> str:
    counted = f"{devices} device{'s' * (devices != 1)}"
    if level is AlertLevel.DEVICE:
        return f", on {counted} beside its cohort" if segment == MANY else f", on device {segment} alone"
    within = f", where {segment.replace('=', ' is ', 1)}" if segment else ""
    return f"{within}, on {counted}" if devices else within
