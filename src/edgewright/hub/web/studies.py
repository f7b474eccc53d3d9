"""Doors to optimisation: studies, their trials, and which of them is the version's variant."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import ChoiceDraft, RunRecord, StudyDraft, StudyRecord, VariantRecord
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@post("/models/{name:str}/versions/{number:int}/optimize", sync_to_thread=True)
def optimize(
    name: FromPath[str],
    number: FromPath[int],
    data: JSONBody[StudyDraft],
    hub: TheHub,
    principal: Caller,
    dry_run: DryRun = False,
) -> list[RunRecord]:
    """Search a version's best variant for each target: one study, and one run, each."""
    require(principal, Permission.WRITE_MODELS)
    return hub.optimize.start(principal, name, number, data, dry_run=dry_run)


@get("/models/{name:str}/versions/{number:int}/studies", sync_to_thread=True)
def studies(name: FromPath[str], number: FromPath[int], hub: TheHub, principal: Caller) -> list[StudyRecord]:
    """A version's studies, newest first."""
    require(principal, Permission.READ)
    return hub.optimize.studies(name, number)


@get("/models/{name:str}/versions/{number:int}/studies/{target:str}", sync_to_thread=True)
def study(
    name: FromPath[str], number: FromPath[int], target: FromPath[str], hub: TheHub, principal: Caller
) -> StudyRecord:
    """A version's newest study on a target."""
    require(principal, Permission.READ)
    return hub.optimize.study(name, number, target)


@post("/models/{name:str}/versions/{number:int}/studies/{target:str}/choose", status_code=200, sync_to_thread=True)
def choose(
    name: FromPath[str],
    number: FromPath[int],
    target: FromPath[str],
    data: JSONBody[ChoiceDraft],
    hub: TheHub,
    principal: Caller,
    dry_run: DryRun = False,
) -> VariantRecord:
    """Make another trial of the front the version's variant."""
    require(principal, Permission.WRITE_MODELS)
    return hub.optimize.choose(principal, name, number, target, data, dry_run=dry_run)


ROUTES = [optimize, studies, study, choose]
