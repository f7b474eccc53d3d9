"""Secrets of routes as they lie in the database: sealed with a key that lies beside it, not in it (AES-256-GCM)."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edgewright.contract.errors import Refused

NONCE_BYTES = 12


class SecretLost(Refused):
    code = "secret_lost"
    hint = "The hub's folder has another key than when the route was set: set the route again, with its secret."


def seal(key: bytes, name: str, secret: str) -> bytes:
    """The secret of the route `name`, for nobody without `key`; nothing for no secret."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret.encode(), name.encode()) if secret else b""


def unseal(key: bytes, name: str, sealed: bytes) -> str:
    """What was sealed under that name; raises SecretLost."""
    if not sealed:
        return ""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode()).decode()
    except InvalidTag as error:
        raise SecretLost(f"the secret of route {name} cannot be read", field="secret") from error
