"""Sessions: which device a token stands for, kept hashed in a table with the hub's memory in front of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.contract.report import SessionReply
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import (
    SESSION_PREFIX,
    SESSION_TTL_S,
    TOKEN_BYTES,
    SessionEnded,
    UnknownDevice,
    check_admitted,
    token,
    token_sha256,
)
from edgewright.hub.fleet.presence.digests import DIGEST_BYTES
from edgewright.hub.fleet.presence.memory import Memory

SWEEP_S = 60.0
PART = 1000
ENTERS = (DeviceState.ACTIVE, DeviceState.WAITING, DeviceState.QUARANTINED)
"""In which states a device may open a session; all but ACTIVE are told inside it why they get nothing."""


class Opened(NamedTuple):
    """A session that a transaction has written, to be remembered once it has committed."""

    reply: SessionReply
    device: str
    digest: bytes
    expires_at: float
    is_active: bool
    shut_outs: int


class Sessions:
    """Opens sessions and says whose they are. One in memory is of an active device; all others are read.

    A revocation and the like reaches memory after its commit: by `forget`, which the watchers of events call.
    """

    def __init__(self, db: Database, memory: Memory, token_bytes: Callable[[int], bytes]) -> None:
        self._db = db
        self._memory = memory
        self._token_bytes = token_bytes
        self._shut_outs = 0
        self._swept_at = float("-inf")

    def open(self, connection: sa.Connection, device: str, now: float) -> Opened:
        """A new session of `device`, in this transaction. Raises DeviceShutOut where it may not have one."""
        state = connection.scalar(sa.select(table.device.c.state).where(table.device.c.id == device))
        if state is None:
            raise UnknownDevice(f"device '{device}' is not enrolled here", field="keyid")
        if state not in ENTERS:
            check_admitted(device, state)
        text = token(SESSION_PREFIX, self._token_bytes(TOKEN_BYTES))
        expires_at = now + SESSION_TTL_S
        if now >= self._swept_at + SWEEP_S:
            connection.execute(sa.delete(table.session).where(table.session.c.expires_at < now))
            self._swept_at = now
        row = {"token_sha256": token_sha256(text), "device": device, "expires_at": expires_at}
        connection.execute(sa.insert(table.session).values(row))
        reply = SessionReply(token=text, expires_in_s=SESSION_TTL_S)
        return Opened(reply, device, digest_of(text), expires_at, state == DeviceState.ACTIVE, self._shut_outs)

    def remember(self, opened: Opened) -> SessionReply:
        """Let a session in that has been committed, unless somebody was shut out since: then it is read when used."""
        with self._memory.lock:
            if opened.is_active and opened.shut_outs == self._shut_outs:
                self._memory.admit(opened.digest, opened.device, opened.expires_at)
        return opened.reply

    def row(self, text: str, now: float) -> int:
        """The row of the device whose session token this is; raises SessionEnded, or DeviceShutOut."""
        digest = digest_of(text)
        row = self._memory.tokens.find(digest)
        if row is None:
            row = self._load(text, digest)
        if row is None or now >= self._memory.expires_at[row]:
            raise SessionEnded("the session is not known or has ended", field="authorization")
        return row

    def forget(self, device: str) -> None:
        """Have every session of `device` looked up anew: it may be shut out now."""
        with self._memory.lock:
            self._shut_outs += 1
            self._memory.shut_out(device)

    def load(self, now: float) -> int:
        """Remember every session that the table holds, as at the start of a hub; returns how many there are."""
        query = _joined().where(table.session.c.expires_at > now, table.device.c.state == DeviceState.ACTIVE)
        count = 0
        with self._memory.lock, self._db.read() as connection:
            for row in connection.execute(query.execution_options(yield_per=PART)):
                count += 1
                if not self._memory.has_newer(row.device, row.expires_at):
                    digest = bytes.fromhex(row.token_sha256)[:DIGEST_BYTES]
                    self._memory.admit(digest, row.device, row.expires_at)
        return count

    def _load(self, text: str, digest: bytes) -> int | None:
        # The lock keeps a device that is shut out from being let in by what was read before that was committed.
        query = _joined().where(table.session.c.token_sha256 == token_sha256(text))
        with self._memory.lock:
            with self._db.read() as connection:
                row = connection.execute(query).first()
            if row is None:
                return None
            check_admitted(row.device, row.state)
            return self._memory.admit(digest, row.device, row.expires_at)


def digest_of(text: str) -> bytes:
    """By what a token is known in memory: the first bytes of what the table keeps of it."""
    return hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES]


def _joined() -> sa.Select[tuple[str, str, float, str]]:
    of = table.session.c
    query = sa.select(of.token_sha256, of.device, of.expires_at, table.device.c.state)
    return query.join(table.device, table.device.c.id == of.device)
