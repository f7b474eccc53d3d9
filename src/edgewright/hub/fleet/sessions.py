"""Nonces and sessions: how the hub knows that a request is fresh, and which device a token stands for."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from edgewright.contract.report import NonceReply, SessionReply
from edgewright.hub.db import Database, after_commit
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import (
    NONCE_TTL_S,
    SESSION_PREFIX,
    SESSION_TTL_S,
    TOKEN_BYTES,
    SessionEnded,
    StaleNonce,
    check_admitted,
    token,
    token_sha256,
)

MAX_CACHED = 200_000
NONCE_BYTES = 42  # expiry 8, random 16, MAC 18: a multiple of 3, so that base64 has one form only


class Nonces:
    """Nonces that cost the hub nothing until they are used: expiry and random bytes under the hub's own MAC.

    Strangers may ask for as many as they like and nothing is stored; a used one is kept, until it expires, so that
    it is never accepted twice. The key lives as long as the process: after a restart a device asks anew.
    """

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._key = token_bytes(32)

    def issue(self, now: float) -> NonceReply:
        """A fresh nonce."""
        body = struct.pack(">d", now + NONCE_TTL_S) + self._token_bytes(16)
        nonce = base64.urlsafe_b64encode(body + self._mac(body)).decode()
        return NonceReply(nonce=nonce, ttl_s=NONCE_TTL_S)

    def check(self, nonce: str, now: float) -> float:
        """The time at which `nonce` expires; raises StaleNonce if it is not ours or that time has come."""
        try:
            raw = base64.b64decode(nonce, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise StaleNonce("the nonce is not one of this hub", field="nonce") from error
        body, mac = raw[:24], raw[24:]
        if len(raw) != NONCE_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            raise StaleNonce("the nonce is not one of this hub", field="nonce")
        expires_at: float = struct.unpack(">d", body[:8])[0]
        if now >= expires_at:
            raise StaleNonce("the nonce has expired", field="nonce")
        return expires_at

    def burn(self, connection: sa.Connection, nonce: str, now: float) -> None:
        """Use `nonce` up in this transaction; raises StaleNonce if it was used before."""
        expires_at = self.check(nonce, now)
        used = table.used_nonce
        connection.execute(sa.delete(used).where(used.c.expires_at < now))
        if connection.scalar(sa.select(used.c.nonce).where(used.c.nonce == nonce)) is not None:
            raise StaleNonce("the nonce was used before", field="nonce")
        connection.execute(sa.insert(used).values(nonce=nonce, expires_at=expires_at))

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:18]


class _Session(NamedTuple):
    device: str
    expires_at: float


class Sessions:
    """Session tokens, kept hashed, with a cache in front of the table."""

    def __init__(self, db: Database, token_bytes: Callable[[int], bytes]) -> None:
        self._db = db
        self._token_bytes = token_bytes
        self._cache: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def open(self, connection: sa.Connection, device: str, now: float) -> SessionReply:
        """A new session of `device`, in this transaction."""
        text = token(SESSION_PREFIX, self._token_bytes(TOKEN_BYTES))
        digest, expires_at = token_sha256(text), now + SESSION_TTL_S
        connection.execute(sa.delete(table.session).where(table.session.c.expires_at < now))
        connection.execute(sa.insert(table.session).values(token_sha256=digest, device=device, expires_at=expires_at))
        return SessionReply(token=text, expires_in_s=SESSION_TTL_S)

    def device(self, text: str, now: float) -> str:
        """Whose session this token is; raises SessionEnded, or a leaf of DeviceShutOut."""
        digest = token_sha256(text)
        known = self._cache.get(digest) or self._load(digest)
        if known is None or now >= known.expires_at:
            self._cache.pop(digest, None)
            raise SessionEnded("the session is not known or has ended", field="authorization")
        return known.device

    def forget(self, connection: sa.Connection, device: str) -> None:
        """Let every session of `device` be looked up anew once this transaction has committed."""
        after_commit(connection, lambda: self._purge(device))

    def _load(self, digest: str) -> _Session | None:
        # The lock keeps a revocation from committing between the reading of a row and its caching.
        with self._lock:
            query = (
                sa.select(table.session.c.device, table.session.c.expires_at, table.device.c.state)
                .join(table.device, table.device.c.id == table.session.c.device)
                .where(table.session.c.token_sha256 == digest)
            )
            with self._db.read() as connection:
                row = connection.execute(query).first()
            if row is None:
                return None
            check_admitted(row.device, row.state)
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[digest] = _Session(row.device, row.expires_at)
            return self._cache[digest]

    def _purge(self, device: str) -> None:
        with self._lock:
            self._cache = {digest: known for digest, known in self._cache.items() if known.device != device}
