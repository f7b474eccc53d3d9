"""From findings to alarms: whom they name, whether they stand without liars, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from edgewright.contract.api import AlertLevel, FeatureDrift, SegmentRecord
from edgewright.hub.observe.alerts import Alarm
from edgewright.hub.observe.alerts.model import label_of
from edgewright.hub.observe.detectors import THRESHOLD, Against, Change, Finding, drifting_devices
from edgewright.hub.observe.detectors.evidence import QUIET_DAYS
from edgewright.hub.observe.segments import Segment, Watch, stands_without_liars
from edgewright.hub.observe.segments import table as segment_table
from edgewright.hub.observe.segments.watching import Place
from edgewright.hub.observe.windows import Lens
from edgewright.hub.observe.windows import table as window_table

CohortsOf = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""The cohorts ('label=value') of devices."""
WINDOWS_TO_NAME_DEVICES = 2000
WINDOWS_OF_EACH = 20
DEVICES_NAMED = 200


@dataclass
class Alarms:
    """What alarms: as alarms, and the largest effect of each detector on each segment.

    `unusual` are the segments that see what the same hours did not bring before: nothing of it is learned.
    """

    alarms: list[Alarm] = field(default_factory=list)
    effects: dict[Place, float] = field(default_factory=dict)
    unusual: set[Segment] = field(default_factory=set)


class Alarming:
    """Explains findings. What it looks up is bounded: at most 2,000 windows, 20 of a device."""

    def __init__(self, watch: Watch, cohorts_of: CohortsOf) -> None:
        self._watch = watch
        self._cohorts_of = cohorts_of

    def alarms(self, connection: sa.Connection, lens: Lens, findings: Mapping[Place, Finding], version: int) -> Alarms:
        """The alarms of findings that alarm; an advice is one too, and has no effect on gates."""
        found = Alarms()
        for (where, name), finding in findings.items():
            for device in finding.devices:
                mine = [one for one in finding.alarmed if one.device == device]
                found.alarms.append(
                    self._alarm(lens, version, Segment(AlertLevel.DEVICE, device), name, finding, mine, (device,))
                )
            shared = [one for one in finding.alarmed if not one.device]
            if not shared:
                continue
            devices = self._late(connection, lens, where, min(one.since for one in shared))
            shared = [one for one in shared if _stands(lens, one, devices)]
            if shared:
                named = drifting_devices(lens.baseline, [one.feature for one in shared], devices) if devices else ()
                alarm = self._alarm(lens, version, where, name, finding, shared, named)
                found.alarms.append(self._with_cohorts(connection, alarm))
                if not self._watch.detectors[name].is_advice:
                    found.effects[where, name] = max(one.effect for one in shared)
                    if any((one.against or finding.against) is Against.SAME_HOUR for one in shared):
                        found.unusual.add(where)
        return found

    def _alarm(
        self,
        lens: Lens,
        version: int,
        where: Segment,
        name: str,
        finding: Finding,
        changes: Sequence[Change],
        devices: Sequence[str],
    ) -> Alarm:
        worst = max(changes, key=lambda one: one.effect / max(one.tolerance, 1e-9))
        first = min(changes, key=lambda one: one.since)
        return Alarm(
            model=lens.model,
            version=version,
            kind=finding.kind,
            level=where.level,
            segment=where.name,
            detector=name,
            since=first.since,
            rows=changes[0].rows,
            effect=round(worst.effect, 4),
            times_over=worst.effect / max(worst.tolerance, 1e-9),
            measure=worst.measure,
            features=tuple(_drift(one) for one in changes[:DEVICES_NAMED]),
            devices=tuple(devices[:DEVICES_NAMED]),
            compared_with=_compared(finding.against, lens),
            designed_days=QUIET_DAYS,
        )

    def _with_cohorts(self, connection: sa.Connection, alarm: Alarm) -> Alarm:
        if alarm.level is not AlertLevel.COHORT:
            return alarm
        known = segment_table.segments(connection, alarm.model, alarm.version)
        label = label_of(alarm.segment)
        same = [one for one in known if one.level is AlertLevel.COHORT and label_of(one.name) == label]
        return replace(alarm, cohorts=len(same))

    def _late(
        self, connection: sa.Connection, lens: Lens, where: Segment, since: float
    ) -> dict[str, npt.NDArray[np.float64]]:
        """What each device has counted since then, of its newest windows."""
        if where.level not in (AlertLevel.VERSION, AlertLevel.COHORT):
            return {}
        model, version = lens.model, lens.version
        counts: dict[str, npt.NDArray[np.float64]] = {}
        for window in window_table.latest(connection, model, version, since, WINDOWS_TO_NAME_DEVICES, WINDOWS_OF_EACH):
            own = lens.counts(window)
            counts[window["device"]] = counts.get(window["device"], 0.0) + own
        if where.level is AlertLevel.VERSION:
            return counts
        cohorts = self._cohorts_of(sorted(counts))
        return {device: own for device, own in counts.items() if where.name in cohorts.get(device, ())}


def drifts(changes: Sequence[Change]) -> tuple[FeatureDrift, ...]:
    """What changed, as it is told."""
    return tuple(_drift(one) for one in changes)


def told(where: Segment, detector: str, finding: Finding) -> SegmentRecord:
    """What a detector says of a segment, with what has changed most."""
    nothing = Change(feature="", effect=0.0, measure="", tolerance=0.0, evidence=0.0)
    top = next(iter(finding.changes), nothing)
    return SegmentRecord(
        level=where.level,
        segment=where.name,
        detector=detector,
        kind=finding.kind,
        watched=finding.watched,
        evidence=round(finding.evidence, 2),
        threshold=round(THRESHOLD, 2),
        feature=top.feature,
        effect=round(top.effect, 4),
        tolerance=top.tolerance,
        measure=top.measure,
        compared_with=str(finding.against),
        is_alarm=finding.is_alarm,
    )


def _drift(one: Change) -> FeatureDrift:
    feature = f"{one.feature} [{one.group}]" if one.group else one.feature
    return FeatureDrift(
        feature=feature, effect=round(one.effect, 4), evidence=round(one.evidence, 3), direction=one.direction
    )


def _stands(lens: Lens, change: Change, devices: Mapping[str, npt.NDArray[np.float64]]) -> bool:
    return not devices or stands_without_liars(lens.baseline, (change.feature,), devices, change.tolerance)


def _compared(against: Against, lens: Lens) -> str:
    if against is Against.TRAINING:
        return f"the training data of version {lens.version} ({lens.schema.n_ref} rows)"
    return str(against)
