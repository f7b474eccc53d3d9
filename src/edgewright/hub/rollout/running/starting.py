"""The rows that a rollout begins with."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.api import GateDraft, ReleaseRecord, RolloutDraft, RolloutState, WaveDraft
from edgewright.contract.order import Shadow
from edgewright.hub.rollout.model import DELTA_PATIENCE_S, DeploymentState, WaveState
from edgewright.hub.rollout.planning import Offer, Plan, PlannedWave

Row = dict[str, Any]


def head_row(
    id: str, draft: RolloutDraft, release: ReleaseRecord, shadow: Shadow | None, has_bases: bool, by: str, now: float
) -> Row:
    """The rollout itself. Its first wave waits for deltas where devices have something to take them from."""
    return {
        "id": id,
        "release": release.id,
        "model": release.model,
        "version": release.version,
        "counter": release.counter,
        "group": draft.group,
        "state": RolloutState.RUNNING,
        "reason": "",
        "gate": msgspec.to_builtins(draft.gate),
        "shadow": msgspec.to_builtins(shadow),
        "deltas_due_at": now + DELTA_PATIENCE_S if has_bases and not draft.emergency else 0.0,
        "schedule": msgspec.to_builtins(draft.schedule),
        "budgets": msgspec.to_builtins(draft.budgets),
        "caps": msgspec.to_builtins(draft.caps),
        "emergency": draft.emergency,
        "created_at": now,
        "created_by": by,
        "ended_at": None,
    }


def wave_rows(head: Row, plan: Plan) -> list[Row]:
    """Its waves, with what was drafted for each; an emergency is one wave that waits for nothing."""
    waves = plan.waves
    if head["emergency"]:
        waves = (PlannedWave(tuple(device for wave in waves for device in wave.devices), WaveDraft()),)
    return [wave_row(head["id"], number, len(wave.devices), wave.draft) for number, wave in enumerate(waves, 1)]


def wave_row(rollout: str, number: int, size: int, draft: WaveDraft) -> Row:
    """One wave."""
    return {
        "rollout": rollout,
        "number": number,
        "size": size,
        "state": WaveState.PENDING,
        "attempt": 1,
        "run": "",
        "reason": "",
        "started_at": None,
        "ended_at": None,
        "soak_s": draft.soak_s,
        "gate": msgspec.to_builtins(draft.gate),
        "needs_promotion": draft.needs_promotion,
        "committed_at": None,
        "verdicts": [],
        "failed_at_end": 0,
        "sent_bytes": 0,
        "full_bytes": 0,
    }


def deployment_rows(head: Row, plan: Plan) -> list[Row]:
    """A deployment for each device of the group: in a wave, or in none (0) where it runs the release or cannot."""
    rows = [
        deployment_row(head, device, 1 if head["emergency"] else number, DeploymentState.PENDING, plan.offers[device])
        for number, wave in enumerate(plan.waves, 1)
        for device in wave.devices
    ]
    already = deployment_row(head, "", 0, DeploymentState.COMMITTED, reason="runs it already")
    already["offered_at"] = head["created_at"]
    rows += [already | _named(head, device) for device in plan.already]
    refused = deployment_row(head, "", 0, DeploymentState.REFUSED)
    rows += [refused | _named(head, device) | {"reason": reason} for device, reason in plan.refused.items()]
    return rows


def deployment_row(
    head: Row, device: str, wave: int, state: DeploymentState, offer: Offer | None = None, reason: str = ""
) -> Row:
    """One device's part. Until it has been offered, it is reckoned with the whole package."""
    return {
        **_named(head, device),
        "rollout": head["id"],
        "wave": wave,
        "model": head["model"],
        "version": head["version"],
        "counter": head["counter"],
        "target": offer.package.target if offer else "",
        "target_path": offer.package.path if offer else "",
        "manifest_sha256": offer.package.manifest_sha256 if offer else "",
        "state": state,
        "reason": reason,
        "updated_at": head["created_at"],
        "offered_at": None,
        "agreement": None,
        "planned_bytes": 0,
        "received_bytes": 0,
        "full_bytes": offer.package.size_bytes if offer else 0,
        "used_delta": False,
        "interruptions": 0,
        "admitted_at": None,
        "lease_until": None,
        "due_at": 0.0 if state is DeploymentState.PENDING else None,
        "blocked_on": None,
    }


def is_of_one_device(head: Any) -> bool:
    """Whether a rollout is of one device alone, by a directive or to a new board: it is no verdict on its release."""
    return not head["group"]


def gate_of(head: Any, wave: Any) -> GateDraft:
    """The gate of a wave: its own, or else the rollout's."""
    return msgspec.convert(wave["gate"] or head["gate"], GateDraft)


def _named(head: Row, device: str) -> Row:
    return {"id": f"{head['id']}:{device}", "device": device}
