"""Roles, permissions and the audit chain: the pure rules of who may do what, and of what cannot be undone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from edgewright.contract.api import Role
from edgewright.contract.errors import Conflict, InvalidInput, NotAllowed, NotLoggedIn

GENESIS_SHA256 = "0" * 64
MIN_PASSWORD_CHARS = 10


class Permission(StrEnum):
    """What a request needs; docs/reference/roles.md prints the table below."""

    READ = "read"
    WRITE_DATA = "write data"
    LABEL = "label samples"
    WRITE_MODELS = "write models"
    TRAIN = "train"
    BUILD_RELEASES = "build releases"
    SIGN_RELEASES = "sign releases"
    APPROVE_RELEASES = "approve releases"
    CHANGE_KEYS = "change keys"
    MANAGE_FLEET = "manage the fleet"
    ROLL_OUT = "roll out"
    OVERRIDE = "roll out in an emergency"
    HANDLE_ALERTS = "handle alerts"
    MANAGE_ROUTES = "manage alert routes"
    ERASE_DATA = "erase data"
    MANAGE_PEOPLE = "manage people"
    MANAGE_WORKERS = "manage workers"
    RUN_TASKS = "run tasks"


P = Permission
GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.ENGINEER: frozenset(
        {
            P.READ,
            P.WRITE_DATA,
            P.LABEL,
            P.WRITE_MODELS,
            P.TRAIN,
            P.BUILD_RELEASES,
            P.HANDLE_ALERTS,
            P.MANAGE_WORKERS,
        }
    ),
    Role.OPERATOR: frozenset(
        {P.READ, P.LABEL, P.SIGN_RELEASES, P.CHANGE_KEYS, P.MANAGE_FLEET, P.ROLL_OUT, P.HANDLE_ALERTS, P.MANAGE_ROUTES}
    ),
    Role.APPROVER: frozenset({P.READ, P.APPROVE_RELEASES}),
    Role.VIEWER: frozenset({P.READ}),
    Role.WORKER: frozenset({P.RUN_TASKS}),
}


class WrongPassword(NotLoggedIn):
    code = "wrong_password"
    hint = "Check the user name and the password."


class Forbidden(NotAllowed):
    code = "forbidden"


class UserExists(Conflict):
    code = "user_exists"
    hint = "Choose another name."


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a person with roles, or the hub itself acting on a rule that a person set."""

    name: str
    roles: tuple[Role, ...]


SYSTEM = Principal(name="hub", roles=(Role.ADMIN,))


def require(principal: Principal, permission: Permission) -> None:
    """Raise Forbidden unless one of the principal's roles grants `permission`."""
    if any(permission in GRANTS[role] for role in principal.roles):
        return
    able = ", ".join(role for role in Role if permission in GRANTS[role])
    raise Forbidden(
        f"{principal.name} may not {permission}",
        field="role",
        hint=f"This needs one of the roles: {able}.",
    )


def check_new_user(name: str, password: str, roles: tuple[Role, ...]) -> None:
    """Raise InvalidInput unless a person of that name, password and roles can be made."""
    if not name.isidentifier() or len(name) > 40:
        raise InvalidInput(f"'{name}' is no user name", field="name", hint="Use letters, digits and _, at most 40.")
    if len(password) < MIN_PASSWORD_CHARS:
        raise InvalidInput(f"a password has at least {MIN_PASSWORD_CHARS} characters", field="password")
    if not roles:
        raise InvalidInput("a user has at least one role", field="roles", hint=f"Choose from {', '.join(Role)}.")
    if Role.WORKER in roles:
        hint = "Let a machine run tasks: edgewright worker add NAME."
        raise InvalidInput("people are no workers", field="roles", hint=hint)


def entry_sha256(
    previous: str, number: int, at: float, actor: str, action: str, subject: str, detail: Mapping[str, Any]
) -> str:
    """The digest of an audit entry, which covers the entry before it and so the whole log (a hash chain)."""
    body = msgspec.json.encode([previous, number, at, actor, action, subject, detail], order="deterministic")
    return hashlib.sha256(body).hexdigest()
