"""Doors to triggers; and the one that forges send pushes to, which a signature opens and no token."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from litestar import Request, delete, get, post
from litestar.exceptions import ClientException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from edgewright.contract.api import FireDraft, HookReply, OccasionRecord, TriggerDraft, TriggerRecord
from edgewright.hub.automate.triggers import MAX_BODY_BYTES, PushTooLarge, check_proof
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, Reason, TheHub


@post("/triggers", sync_to_thread=True)
def put_trigger(data: JSONBody[TriggerDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> TriggerRecord:
    """Set a trigger; set again, it keeps its history, its budget and its secret."""
    require(principal, Permission.TRAIN)
    return hub.triggers.put(principal, data, dry_run=dry_run)


@get("/triggers", sync_to_thread=True)
def triggers(hub: TheHub, principal: Caller, model: FromQuery[str] = "") -> list[TriggerRecord]:
    """All triggers by name, or those of a model, each with its last decision."""
    require(principal, Permission.READ)
    return hub.triggers.triggers(model)


@get("/triggers/{name:str}", sync_to_thread=True)
def trigger(name: FromPath[str], hub: TheHub, principal: Caller) -> TriggerRecord:
    """One trigger."""
    require(principal, Permission.READ)
    return hub.triggers.trigger(name)


@get("/triggers/{name:str}/history", sync_to_thread=True)
def history(
    name: FromPath[str],
    hub: TheHub,
    principal: Caller,
    limit: FromQuery[int] = 50,
    among: Annotated[str, QueryParameter(name="state")] = "",  # 'state' is a word of the framework's
) -> list[OccasionRecord]:
    """What became of a trigger's occasions and why, newest first."""
    require(principal, Permission.READ)
    return hub.triggers.history(name, limit, among)


@post("/triggers/{name:str}/fire", status_code=200, sync_to_thread=True)
def fire(
    name: FromPath[str], data: JSONBody[FireDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> OccasionRecord:
    """Ask for a run, within the trigger's limits."""
    require(principal, Permission.TRAIN)
    return hub.triggers.fire(principal, name, data, dry_run=dry_run)


@post("/triggers/{name:str}/pause", status_code=200, sync_to_thread=True)
def pause(
    name: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> TriggerRecord:
    """Let a trigger fire no more; what waits is left."""
    require(principal, Permission.TRAIN)
    return hub.triggers.pause(principal, name, paused=True, why=data.reason, dry_run=dry_run)


@post("/triggers/{name:str}/resume", status_code=200, sync_to_thread=True)
def resume(
    name: FromPath[str], data: JSONBody[Reason], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> TriggerRecord:
    """Let a paused trigger fire again."""
    require(principal, Permission.TRAIN)
    return hub.triggers.pause(principal, name, paused=False, why=data.reason, dry_run=dry_run)


@post("/triggers/{name:str}/secret", status_code=200, sync_to_thread=True)
def new_secret(name: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> TriggerRecord:
    """Make another secret for its webhook, told this once; the former is good no more."""
    require(principal, Permission.TRAIN)
    return hub.triggers.new_secret(principal, name, dry_run=dry_run)


@delete("/triggers/{name:str}", status_code=200, sync_to_thread=True)
def remove(name: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> TriggerRecord:
    """Forget a trigger with its history; runs that it began go on."""
    require(principal, Permission.TRAIN)
    return hub.triggers.remove(principal, name, dry_run=dry_run)


@post("/hooks/{name:str}", status_code=202, request_max_body_size=MAX_BODY_BYTES, opt={"is_public": True})
async def push(name: FromPath[str], hub: TheHub, request: Request[Any, Any, Any]) -> HookReply:
    """A push from GitHub or GitLab, signed with the trigger's secret."""
    headers = {key.lower(): value for key, value in request.headers.items()}
    check_proof(headers)
    body = await _body(request)
    record = await to_thread.run_sync(hub.listening.receive, name, headers, body)
    if record is None:
        return HookReply(note="nothing to do: this was known, or is no push")
    return HookReply(state=record.state, note=record.why)


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """The whole body; what is too long is not read to its end."""
    try:
        return await request.body()
    except ClientException as error:
        if error.status_code != 413:
            raise
        message = f"a push has at most {MAX_BODY_BYTES // 1024**2} MiB"
        raise PushTooLarge(message, field="body") from error


ROUTES = [put_trigger, triggers, trigger, history, fire, pause, resume, new_secret, remove, push]
