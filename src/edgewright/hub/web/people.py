"""People's doors: login, users, the audit log."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromQuery, JSONBody

from edgewright.contract.api import AuditEntry, AuditReport, LoginDraft, LoginReply, UserDraft, UserRecord
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@post("/login", status_code=200, sync_to_thread=True)
def login(data: JSONBody[LoginDraft], hub: TheHub) -> LoginReply:
    """Trade a password for a token."""
    return hub.people.login(data.user, data.password)


@get("/me", sync_to_thread=False)
def me(principal: Caller) -> UserRecord:
    """Who the token stands for."""
    return UserRecord(name=principal.name, roles=principal.roles)


@post("/users", sync_to_thread=True)
def create_user(data: JSONBody[UserDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> UserRecord:
    """Make a user."""
    require(principal, Permission.MANAGE_PEOPLE)
    return hub.people.create(principal.name, data, dry_run=dry_run)


@get("/users", sync_to_thread=True)
def users(hub: TheHub, principal: Caller) -> list[UserRecord]:
    """Everybody."""
    require(principal, Permission.READ)
    return hub.people.users()


@get("/audit", sync_to_thread=True)
def audit_entries(hub: TheHub, principal: Caller, after: FromQuery[int] = 0) -> list[AuditEntry]:
    """Audit entries after a number, oldest first, at most 1000."""
    require(principal, Permission.READ)
    return hub.audit.entries(after)


@get("/audit/verify", sync_to_thread=True)
def audit_verify(hub: TheHub, principal: Caller) -> AuditReport:
    """Check the whole audit log."""
    require(principal, Permission.READ)
    return hub.audit.verify()


ROUTES = [login, me, create_user, users, audit_entries, audit_verify]
