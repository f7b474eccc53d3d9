"""Nonces: how the hub knows that a signed request is fresh."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.report import NonceReply
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import NONCE_TTL_S, StaleNonce

NONCE_BYTES = 42  # expiry 8, random 16, MAC 18: a multiple of 3, so that base64 has one form only
SWEEP_S = 10.0


class Nonces:
    """Nonces that cost the hub nothing until they are used: expiry and random bytes under the hub's own MAC.

    Strangers may ask for as many as they like and nothing is stored; a used one is kept, until it expires, so that
    it is never accepted twice. Without a `key` there is one for the life of the process: after a restart a device asks
    anew.
    """

    def __init__(self, token_bytes: Callable[[int], bytes], key: bytes | None = None) -> None:
        self._token_bytes = token_bytes
        self._key = key or token_bytes(32)
        self._swept_at = float("-inf")

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
        if now >= self._swept_at + SWEEP_S:
            connection.execute(sa.delete(used).where(used.c.expires_at < now))
            self._swept_at = now
        if connection.scalar(sa.select(used.c.nonce).where(used.c.nonce == nonce)) is not None:
            raise StaleNonce("the nonce was used before", field="nonce")
        connection.execute(sa.insert(used).values(nonce=nonce, expires_at=expires_at))

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:18]
