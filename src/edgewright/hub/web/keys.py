"""Doors to keys: who may sign what, and changes of that which await signatures."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import KeyChangeDraft, KeyChangeRecord, KeySigningRequest, RoleRecord, SignatureDraft
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@get("/keys/roles", sync_to_thread=True)
def roles(hub: TheHub, principal: Caller) -> list[RoleRecord]:
    """Every signed role with its keys, its threshold and when it expires."""
    require(principal, Permission.READ)
    return hub.key_changes.roles()


@get("/keys/changes", sync_to_thread=True)
def changes(hub: TheHub, principal: Caller) -> list[KeyChangeRecord]:
    """Changes of keys, newest first, at most 100."""
    require(principal, Permission.READ)
    return hub.key_changes.changes()


@post("/keys/changes", sync_to_thread=True)
def draft(data: JSONBody[KeyChangeDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> KeySigningRequest:
    """Draft a change of keys; the reply is what has to be signed."""
    require(principal, Permission.CHANGE_KEYS)
    return hub.key_changes.draft(principal, data, dry_run=dry_run)


@get("/keys/changes/{number:int}/signing", sync_to_thread=True)
def signing(number: FromPath[int], hub: TheHub, principal: Caller) -> KeySigningRequest:
    """What of a change awaits offline signatures, byte for byte."""
    require(principal, Permission.CHANGE_KEYS)
    return hub.key_changes.signing(number)


@post("/keys/changes/{number:int}/signatures", status_code=200, sync_to_thread=True)
def add_signatures(
    number: FromPath[int], data: JSONBody[list[SignatureDraft]], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> KeyChangeRecord:
    """Hand in signatures; the one that meets the last threshold publishes the change."""
    require(principal, Permission.CHANGE_KEYS)
    return hub.key_changes.add_signatures(principal, number, data, dry_run=dry_run)


@post("/keys/changes/{number:int}/drop", status_code=200, sync_to_thread=True)
def drop(number: FromPath[int], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> KeyChangeRecord:
    """Withdraw a change that is not published yet."""
    require(principal, Permission.CHANGE_KEYS)
    return hub.key_changes.drop(principal, number, dry_run=dry_run)


ROUTES = [roles, changes, draft, signing, add_signatures, drop]
