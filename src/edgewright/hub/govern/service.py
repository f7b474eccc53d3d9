"""People: who they are, how they log in, and what their token stands for."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from edgewright.contract.api import LoginReply, Role, UserDraft, UserRecord
from edgewright.contract.errors import NotFound, NotLoggedIn
from edgewright.hub.db import Database
from edgewright.hub.govern import table
from edgewright.hub.govern.audit import Audit
from edgewright.hub.govern.model import Principal, UserExists, WrongPassword, check_new_user

TOKEN_TTL_S = 30 * 86400.0


class People:
    """Users and their tokens. Passwords are kept as Argon2id hashes, tokens as SHA-256."""

    def __init__(self, db: Database, audit: Audit, clock: Callable[[], float]) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._hasher = PasswordHasher()
        self._decoy = self._hasher.hash(secrets.token_hex())

    def create(self, actor: str, draft: UserDraft, *, dry_run: bool = False) -> UserRecord:
        """Make a user; raises InvalidInput, UserExists."""
        check_new_user(draft.name, draft.password, draft.roles)
        record = UserRecord(name=draft.name, roles=draft.roles)
        password_hash = self._hasher.hash(draft.password)
        with self._db.write() as connection:
            if connection.scalar(sa.select(table.user.c.name).where(table.user.c.name == draft.name)):
                raise UserExists(f"there is a user '{draft.name}' already", field="name")
            if dry_run:
                return record
            row = {"name": draft.name, "password_hash": password_hash, "roles": list(draft.roles)}
            connection.execute(sa.insert(table.user).values(**row, created_at=self._clock()))
            self._audit.record(connection, actor, "user.create", draft.name, roles=list(draft.roles))
        return record

    def users(self) -> list[UserRecord]:
        """Everybody, by name."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(table.user.c.name, table.user.c.roles).order_by(table.user.c.name))
            return [UserRecord(name=row.name, roles=_roles(row.roles)) for row in rows]

    def login(self, name: str, password: str) -> LoginReply:
        """Trade a password for a token that is good for 30 days; raises WrongPassword."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(table.user).where(table.user.c.name == name)).first()
        try:
            self._hasher.verify(row.password_hash if row else self._decoy, password)
        except Argon2Error as error:
            raise WrongPassword("user name or password is wrong", field="password") from error
        if row is None:
            raise WrongPassword("user name or password is wrong", field="password")
        secret = f"ewt_{secrets.token_urlsafe(32)}"
        now = self._clock()
        with self._db.write() as connection:
            connection.execute(sa.delete(table.token).where(table.token.c.expires_at <= now))
            kept = {"sha256": _sha256(secret), "user": name, "expires_at": now + TOKEN_TTL_S}
            connection.execute(sa.insert(table.token).values(kept))
            self._audit.record(connection, name, "user.login", name)
        return LoginReply(token=secret, user=name, roles=_roles(row.roles))

    def logout(self, token: str) -> None:
        """End a token at once; without effect on one that is unknown."""
        with self._db.write() as connection:
            where = table.token.c.sha256 == _sha256(token)
            name = connection.scalar(sa.select(table.token.c.user).where(where))
            if name is not None:
                connection.execute(sa.delete(table.token).where(where))
                self._audit.record(connection, name, "user.logout", name)

    def named(self, name: str) -> Principal:
        """The person of that name with today's roles, for work that goes on in their name; raises NotFound."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(table.user).where(table.user.c.name == name)).first()
        if row is None:
            raise NotFound(f"there is no user '{name}'", field="user")
        return Principal(name=row.name, roles=_roles(row.roles))

    def principal(self, token: str) -> Principal:
        """Who holds this token; raises NotLoggedIn."""
        query = (
            sa.select(table.user.c.name, table.user.c.roles)
            .join(table.token, table.token.c.user == table.user.c.name)
            .where(table.token.c.sha256 == _sha256(token), table.token.c.expires_at > self._clock())
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotLoggedIn("this token is unknown or has ended", field="authorization")
        return Principal(name=row.name, roles=_roles(row.roles))


def _roles(names: list[str]) -> tuple[Role, ...]:
    return tuple(Role(name) for name in names)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
