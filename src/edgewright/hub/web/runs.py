"""Doors to durable work: runs, pipelines, training."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from edgewright.contract.api import Overrides, PipelineDraft, RunRecord, StepRecord, TrainDraft
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@get("/runs", sync_to_thread=True)
def runs(hub: TheHub, principal: Caller, kind: FromQuery[str] = "", subject: FromQuery[str] = "") -> list[RunRecord]:
    """Runs, newest first, at most 200."""
    require(principal, Permission.READ)
    return hub.jobs.runs(kind, subject)


@get("/runs/{run_id:str}", sync_to_thread=True)
def run(run_id: FromPath[str], hub: TheHub, principal: Caller) -> RunRecord:
    """One run with its log."""
    require(principal, Permission.READ)
    return hub.jobs.get(run_id)


@post("/runs/{run_id:str}/cancel", status_code=200, sync_to_thread=True)
def cancel(run_id: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> RunRecord:
    """End a run at its next step."""
    require(principal, Permission.TRAIN)
    if dry_run:
        return hub.jobs.get(run_id)
    record = hub.jobs.cancel(run_id)
    with hub.db.write() as connection:
        hub.audit.record(connection, principal.name, "run.cancel", run_id)
    return record


@post("/pipelines", sync_to_thread=True)
def put_pipeline(
    data: JSONBody[PipelineDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> PipelineDraft:
    """Store how a model is trained."""
    require(principal, Permission.TRAIN)
    return hub.pipelines.put(principal, data, dry_run=dry_run)


@get("/pipelines/{model:str}", sync_to_thread=True)
def pipeline(model: FromPath[str], hub: TheHub, principal: Caller) -> PipelineDraft:
    """How a model is trained."""
    require(principal, Permission.READ)
    return hub.pipelines.get(model)


@post("/pipelines/{model:str}/run", sync_to_thread=True)
def run_pipeline(
    model: FromPath[str], data: JSONBody[Overrides], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> RunRecord:
    """Start a run of a model's pipeline; a dry run's result names its steps."""
    require(principal, Permission.TRAIN)
    why = f"asked for by {principal.name}"
    return hub.pipelines.run(principal, model, data, why=why, dry_run=dry_run)


@get("/runs/{run_id:str}/steps", sync_to_thread=True)
def steps(run_id: FromPath[str], hub: TheHub, principal: Caller) -> list[StepRecord]:
    """The steps of a pipeline's run, in order; none of any other run."""
    require(principal, Permission.READ)
    return list(hub.pipelines.steps(run_id))


@post("/train", sync_to_thread=True)
def train(data: JSONBody[TrainDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> RunRecord:
    """Train a model by its stored pipeline."""
    require(principal, Permission.TRAIN)
    return hub.pipelines.train(principal, data, why=f"asked for by {principal.name}", dry_run=dry_run)


ROUTES = [runs, run, steps, cancel, put_pipeline, pipeline, run_pipeline, train]
