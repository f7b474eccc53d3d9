"""Something to act on: alerts, people who may deal with them, triggers, runs with steps, approvals."""

from __future__ import annotations

from edgewright.contract.api import (
    AlertEdit,
    AlertKind,
    AlertLevel,
    FeatureDrift,
    Role,
    UserDraft,
)
from edgewright.hub.app import Hub
from edgewright.hub.govern import Principal
from edgewright.hub.observe.alerts import Act, Alarm
from scenes.dashboard import NOW, PASSWORD
from scenes.passwords import cheap_passwords

OPERATOR = Principal(name="olga", roles=(Role.OPERATOR,))
ENGINEER = Principal(name="emil", roles=(Role.ENGINEER,))
APPROVER = Principal(name="arno", roles=(Role.APPROVER,))


def add_people(hub: Hub) -> None:
    """An operator, an engineer and an approver."""
    with cheap_passwords():
        for one in (OPERATOR, ENGINEER, APPROVER):
            hub.people.create("test", UserDraft(name=one.name, password=PASSWORD, roles=one.roles))


def add_alerts(hub: Hub) -> tuple[str, str, str]:
    """One of a version, one of a device that is acknowledged, one of a cohort that was a false alarm; returns ids."""
    whole = raise_alert(hub, AlertKind.DATA_DRIFT, AlertLevel.VERSION, "", times_over=4.0)
    device = raise_alert(hub, AlertKind.ODD_DEVICE, AlertLevel.DEVICE, "d-00000004", times_over=1.0)
    cohort = raise_alert(hub, AlertKind.LATENCY, AlertLevel.COHORT, "site=berlin", times_over=2.0)
    hub.alerts.act(OPERATOR, device, Act.ACKNOWLEDGE, AlertEdit(comment="a fitter is on the way"))
    hub.alerts.act(OPERATOR, cohort, Act.RESOLVE, AlertEdit(verdict="false_alarm"))
    return whole, device, cohort


def raise_alert(hub: Hub, kind: AlertKind, level: AlertLevel, segment: str, times_over: float) -> str:
    """An alert on wine@1; returns its id."""
    features = tuple(
        FeatureDrift(feature=name, effect=effect, evidence=31.5, direction=way)
        for name, effect, way in (("heat", 0.41, "higher"), ("flow", 0.37, "spread"), ("torque", 0.09, "missing"))
    )
    alarm = Alarm(
        model="wine",
        version=1,
        kind=kind,
        level=level,
        segment=segment,
        detector=kind.value.replace("_", "-"),
        since=NOW - 5400.0,
        rows=1200,
        effect=0.41,
        times_over=times_over,
        features=features,
        devices=(segment,) if level is AlertLevel.DEVICE else tuple(f"d-{number:08x}" for number in range(1, 19)),
        compared_with="the snapshot wine@1, at the same hour and weekday",
        designed_days=90.0,
    )
    with hub.db.write() as connection:
        record = hub.alerts.raise_(connection, alarm)
    assert record is not None
    return record.id
