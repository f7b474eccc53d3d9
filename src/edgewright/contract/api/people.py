"""People and their roles."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a person is allowed to be; see docs/reference/roles.md for the table of permissions."""

    ADMIN = "admin"
    ENGINEER = "engineer"
    OPERATOR = "operator"
    APPROVER = "approver"
    VIEWER = "viewer"
    WORKER = "worker"  # of machines alone, which run tasks


class LoginDraft(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    password: str


class LoginReply(msgspec.Struct, frozen=True, kw_only=True):
    token: str
    user: str
    roles: tuple[Role, ...]


class UserDraft(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    password: str
    roles: tuple[Role, ...]


class UserRecord(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    roles: tuple[Role, ...]
