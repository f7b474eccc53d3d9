"""Doors to targets: the kinds of hardware that the hub optimises for."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import TargetDraft, TargetRecord
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@get("/targets", sync_to_thread=True)
def targets(hub: TheHub, principal: Caller) -> list[TargetRecord]:
    """The hardware profiles that the hub knows."""
    require(principal, Permission.READ)
    return hub.targets.records()


@get("/targets/{target:str}", sync_to_thread=True)
def target(target: FromPath[str], hub: TheHub, principal: Caller) -> TargetRecord:
    """One target, with what uses it."""
    require(principal, Permission.READ)
    return hub.targets.record(target)


@post("/targets", sync_to_thread=True)
def add(data: JSONBody[TargetDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> TargetRecord:
    """Keep a target of one's own."""
    require(principal, Permission.WRITE_MODELS)
    return hub.targets.add(principal, data, dry_run=dry_run)


@delete("/targets/{target:str}", status_code=200, sync_to_thread=True)
def remove(target: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> TargetRecord:
    """Forget a target that somebody added and nothing uses."""
    require(principal, Permission.WRITE_MODELS)
    return hub.targets.remove(principal, target, dry_run=dry_run)


ROUTES = [targets, target, add, remove]
