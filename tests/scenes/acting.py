"""Something to act on: alerts, people who may deal with them, triggers, runs with steps, approvals."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.contract.api import (
    AlertEdit,
    AlertKind,
    AlertLevel,
    ApprovalKind,
    Does,
    FeatureDrift,
    FileRef,
    FireDraft,
    OnAlert,
    OnTime,
    PipelineDraft,
    Role,
    StepRecord,
    StepState,
    TriggerDraft,
    UserDraft,
    VoteDraft,
)
from edgewright.hub.app import Hub
from edgewright.hub.automate.pipelines.records import Records
from edgewright.hub.govern import Approvals, Principal
from edgewright.hub.jobs import run_table
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


def add_triggers(hub: Hub) -> None:
    """One on alerts of wine that has fired, and was too early after that; one by the clock that is paused."""
    code = (FileRef(path="train.py", sha256=hub.blobs.put_bytes(b"pass"), size_bytes=4),)
    hub.pipelines.put(ENGINEER, PipelineDraft(model="wine", dataset="wine", command="python train.py", code=code))
    on_alert = OnAlert(kinds=(AlertKind.DATA_DRIFT, AlertKind.BIAS), levels=(AlertLevel.VERSION,))
    hub.triggers.put(
        ENGINEER, TriggerDraft(name="wine-drift", model="wine", when=on_alert, quiet_hours=("01:00-02:00",))
    )
    hub.triggers.put(ENGINEER, TriggerDraft(name="wine-nightly", model="wine", when=OnTime(cron="0 3 * * mon-fri")))
    hub.triggers.fire(ENGINEER, "wine-drift", FireDraft(why="the new lamp"))
    hub.triggers.fire(ENGINEER, "wine-drift", FireDraft(why="and again"))
    hub.triggers.pause(ENGINEER, "wine-nightly", paused=True, why="holidays")


def add_pipeline_run(hub: Hub) -> str:
    """A run whose first steps are done or reused, that trains now, and whose training has said something."""
    run = "pipeline-0123456789ab"
    row = {"subject": "wine", "args": {}, "step": "train", "fraction": 0.5, "why": "fired by wine-drift"}
    child = {**row, "kind": "train", "step": "", "log": "epoch 1: loss 0.41\nepoch 2: loss <0.3"}
    steps = (
        StepRecord(run=run, name="collect", does=Does.COLLECT, state=StepState.SKIPPED, note="no new labels"),
        StepRecord(run=run, name="clean", does=Does.CLEAN, state=StepState.REUSED, reused_from="pipeline-earlier"),
        StepRecord(
            run=run,
            name="train",
            does=Does.TRAIN,
            state=StepState.RUNNING,
            child=f"{run}-train",
            where="hub",
            started_at=NOW - 90,
            facts={"snapshot": "wine@2"},
        ),
        StepRecord(run=run, name="evaluate", does=Does.EVALUATE),
    )
    with hub.db.write() as connection:
        for id, values in ((run, {**row, "kind": "pipeline"}), (f"{run}-train", child)):
            values = {"id": id, "state": "running", "started_at": NOW - 120, **values}
            connection.execute(sa.insert(run_table).values(**values))
        Records(hub.db).begin(connection, "wine", steps)
    return run


def add_approvals(hub: Hub) -> None:
    """A version to promote that an approver may speak on, and a training that was refused."""
    approvals = Approvals(hub.db, hub.events, hub.audit, hub.clock, hub.people.users)
    why = "better by 0.021 on the pinned hold-out, within [0.004, 0.038]; worse for site=oslo by 0.002"
    asked = {"model": "wine", "author": ENGINEER.name, "why": why, "needed": 1}
    approvals.ask(ApprovalKind.PROMOTE, "wine@2", "ab" * 32, run="pipeline-0123456789ab", **asked)
    approvals.ask(ApprovalKind.TRAIN, "wine", "cd" * 32, **asked)
    approvals.vote(APPROVER, VoteDraft(approval="train:wine", is_yes=False, why="the lamp is broken"))
