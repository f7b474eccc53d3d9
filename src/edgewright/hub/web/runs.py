"""Doors to durable work: runs, pipelines, training, triggers."""

from __future__ import annotations

from litestar import get, post

from edgewright.contract.api import PipelineDraft, RunRecord, TrainDraft, TriggerDraft, TriggerRecord
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, Principal, require


@get("/runs", sync_to_thread=True)
def runs(hub: Hub, principal: Principal, kind: str = "", subject: str = "") -> list[RunRecord]:
    """Runs, newest first, at most 200."""
    require(principal, Permission.READ)
    return hub.jobs.runs(kind, subject)


@get("/runs/{run_id:str}", sync_to_thread=True)
def run(run_id: str, hub: Hub, principal: Principal) -> RunRecord:
    """One run with its log."""
    require(principal, Permission.READ)
    return hub.jobs.get(run_id)


@post("/runs/{run_id:str}/cancel", status_code=200, sync_to_thread=True)
def cancel(run_id: str, hub: Hub, principal: Principal) -> RunRecord:
    """End a run at its next step."""
    require(principal, Permission.TRAIN)
    record = hub.jobs.cancel(run_id)
    with hub.db.write() as connection:
        hub.audit.record(connection, principal.name, "run.cancel", run_id)
    return record


@post("/pipelines", sync_to_thread=True)
def put_pipeline(data: PipelineDraft, hub: Hub, principal: Principal, dry_run: bool = False) -> PipelineDraft:
    """Store how a model is trained."""
    require(principal, Permission.TRAIN)
    return hub.automate.put_pipeline(principal, data, dry_run=dry_run)


@get("/pipelines/{model:str}", sync_to_thread=True)
def pipeline(model: str, hub: Hub, principal: Principal) -> PipelineDraft:
    """How a model is trained."""
    require(principal, Permission.READ)
    return hub.automate.pipeline(model)


@post("/train", sync_to_thread=True)
def train(data: TrainDraft, hub: Hub, principal: Principal, dry_run: bool = False) -> RunRecord:
    """Train a model by its stored pipeline."""
    require(principal, Permission.TRAIN)
    return hub.automate.start_training(principal, data, why=f"asked for by {principal.name}", dry_run=dry_run)


@post("/triggers", sync_to_thread=True)
def put_trigger(data: TriggerDraft, hub: Hub, principal: Principal, dry_run: bool = False) -> TriggerRecord:
    """Set what drift of a model starts."""
    require(principal, Permission.TRAIN)
    return hub.automate.put_trigger(principal, data, dry_run=dry_run)


@get("/triggers", sync_to_thread=True)
def triggers(hub: Hub, principal: Principal) -> list[TriggerRecord]:
    """All triggers, each with its last decision."""
    require(principal, Permission.READ)
    return hub.automate.triggers()


ROUTES = [runs, run, cancel, put_pipeline, pipeline, train, put_trigger, triggers]
