"""Step 11: the apps stop, everything they saw has arrived, and the hub's records say what happened."""

from __future__ import annotations

from edgewright.cli.demo import summary
from edgewright.cli.demo.beginning import CUTTABLE
from edgewright.cli.demo.stage import MODELS, Stage
from edgewright.contract.api import DeploymentRecord, ReleaseState, RolloutRecord, RolloutState
from edgewright.contract.errors import Refused


def account(stage: Stage) -> summary.Summary:
    """Stop the apps, wait for the last profile, and draw the summary from the hub's records."""
    stage.site.stop_apps()
    stage.until(lambda: _all_arrived(stage), "every profile has arrived")
    rollouts = {item.release: stage.ana.rollouts.get(item.id) for item in stage.ana.rollouts.list()}
    audit = stage.ana.audit.verify()
    stats = [device.stats() for device in stage.site.devices]
    repaired = rollouts[f"digits/{max(item.counter for item in stage.ana.releases.list('digits'))}"]
    return summary.Summary(
        wall_s=round(stage.show.elapsed_s, 1),
        devices=len(stage.ana.devices.list()),
        requests=summary.Requests(
            total=sum(device.requests() for device in stage.site.devices), failed=sum(item["failed"] for item in stats)
        ),
        own_approval_refused=stage.own_approval_refused,
        bad_release=_bad_release(stage, rollouts[stage.bad_release]),
        power_cut=_power_cut(stage, repaired),
        offline_device=_offline_device(stage, list(rollouts.values())),
        drift=_drift(stage),
        accuracy=_accuracy(stage),
        update=summary.update_of(repaired.deployments),
        repair_s=round(max(item.updated_at for item in repaired.deployments) - _alert_at(stage), 1),
        variants=tuple(
            summary.variant_line(variant)
            for model in stage.ana.models.list()
            for version in model.versions
            for variant in stage.ana.models.variants(model.name, version.version)
        ),
        audit=summary.AuditLine(entries=audit.entries, verified=audit.is_verified),
        dashboard=stage.dashboard,
    )


def _all_arrived(stage: Stage) -> bool:
    return all(_rows_at_hub(stage, device.name) == device.requests() for device in stage.site.devices)


def _rows_at_hub(stage: Stage, name: str) -> int:
    ids = [item.id for item in stage.ana.devices.list() if item.name == name]
    return sum(usage.rows for model in MODELS for usage in stage.ana.usage(model) if usage.device in ids)


def _bad_release(stage: Stage, rollout: RolloutRecord) -> summary.BadRelease:
    release = stage.ana.releases.get("digits", rollout.counter)
    reached = [item for item in rollout.deployments if item.offered_at is not None]
    is_remembered = release.state is ReleaseState.BAD and rollout.state is RolloutState.HALTED
    return summary.BadRelease(
        state="stopped" if is_remembered else f"{rollout.state}, release {release.state}",
        devices_reached=len(reached),
        agreement=min((item.agreement for item in reached if item.agreement is not None), default=-1.0),
        why=rollout.reason,
    )


def _power_cut(stage: Stage, repaired: RolloutRecord) -> summary.PowerCut:
    interrupted = [item for item in repaired.deployments if item.interruptions > 0]
    is_whole = bool(interrupted) and all(item.state == "committed" for item in interrupted)
    return summary.PowerCut(killed_at=stage.killed_at, recovered=stage.answered_while_dead and is_whole)


def _offline_device(stage: Stage, rollouts: list[RolloutRecord]) -> summary.OfflineDevice:
    device = stage.device(CUTTABLE)
    record = next(item for item in stage.ana.devices.list() if item.name == device.name)
    installs = [
        item
        for rollout in rollouts
        for item in rollout.deployments
        if item.device == record.id and rollout.model == "digits" and item.state == "committed"
    ]
    rows, at_hub = device.requests(), _rows_at_hub(stage, device.name)
    return summary.OfflineDevice(
        caught_up=len(installs) == 2 and rows == at_hub and _is_current(stage, installs),
        installs=len(installs) - 1,
        rows_inferred=rows,
        rows_at_hub=at_hub,
    )


def _is_current(stage: Stage, installs: list[DeploymentRecord]) -> bool:
    newest = max(item.counter for item in stage.ana.releases.list("digits"))
    device = stage.ana.devices.get(installs[0].device)
    return any(item.model == "digits" and item.counter == newest for item in device.models)


def _drift(stage: Stage) -> summary.Drift:
    alert = stage.alert
    return summary.Drift(
        model="digits",
        detected=alert is not None,
        after_samples=alert.rows if alert else 0,
        features=tuple(item.feature for item in alert.features) if alert else (),
        devices=len(alert.devices) if alert else 0,
        other_model_flagged=bool(stage.ana.alerts.list("wine")),
    )


def _alert_at(stage: Stage) -> float:
    return stage.alert.raised_at if stage.alert else 0.0


def _accuracy(stage: Stage) -> summary.Accuracy:
    records = stage.ana.models.evaluations("digits")
    judged = records[-1] if records else None
    old, new = (judged.holdout(is_fresh=is_fresh) if judged else None for is_fresh in (False, True))
    if old is None or new is None:
        raise Refused("the hub has no evaluation on both hold-outs", field="evaluations")
    return summary.Accuracy(
        before=round(new.metrics[0].champion or 0.0, 4),
        after=round(new.metrics[0].challenger, 4),
        old_world_before=round(old.metrics[0].champion or 0.0, 4),
        old_world_after=round(old.metrics[0].challenger, 4),
        rows=new.rows,
    )
