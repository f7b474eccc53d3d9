"""People's doors: login, users, the audit log."""

from __future__ import annotations

from litestar import get, post

from edgewright.contract.api import AuditEntry, AuditReport, LoginDraft, LoginReply, UserDraft, UserRecord
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, Principal, require


@post("/login", status_code=200, sync_to_thread=True)
def login(data: LoginDraft, hub: Hub) -> LoginReply:
    """Trade a password for a token."""
    return hub.people.login(data.user, data.password)


@get("/me", sync_to_thread=False)
def me(principal: Principal) -> UserRecord:
    """Who the token stands for."""
    return UserRecord(name=principal.name, roles=principal.roles)


@post("/users", sync_to_thread=True)
def create_user(data: UserDraft, hub: Hub, principal: Principal, dry_run: bool = False) -> UserRecord:
    """Make a user."""
    require(principal, Permission.MANAGE_PEOPLE)
    return hub.people.create(principal.name, data, dry_run=dry_run)


@get("/users", sync_to_thread=True)
def users(hub: Hub, principal: Principal) -> list[UserRecord]:
    """Everybody."""
    require(principal, Permission.READ)
    return hub.people.users()


@get("/audit", sync_to_thread=True)
def audit_entries(hub: Hub, principal: Principal, after: int = 0) -> list[AuditEntry]:
    """Audit entries after a number, oldest first, at most 1000."""
    require(principal, Permission.READ)
    return hub.audit.entries(after)


@get("/audit/verify", sync_to_thread=True)
def audit_verify(hub: Hub, principal: Principal) -> AuditReport:
    """Check the whole audit log."""
    require(principal, Permission.READ)
    return hub.audit.verify()


ROUTES = [login, me, create_user, users, audit_entries, audit_verify]
