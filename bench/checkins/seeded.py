"""A hub's folder with very many enrolled devices that hold sessions, as enrolments and sessions would have left it."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rollouts.seeding import Running, seed

from edgewright.contract.report import ModelState
from edgewright.hub.app import build_hub
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import SESSION_PREFIX, token_sha256
from edgewright.hub.settings import Settings

RUNNING = Running("defects", 3, 3, "ab" * 32)
TOLD = ModelState(
    model="defects", version=3, counter=3, manifest_sha256="ab" * 32, step="idle", held_manifests=("ab" * 32,)
)
CHUNK = 10_000


def device_of(number: int) -> str:
    """The id of a seeded device."""
    return f"dev-{number:016x}"


def token_of(number: int) -> str:
    """The session's token of a seeded device: as long and as random to the hub as a real one."""
    secret = hashlib.sha256(f"token {number}".encode()).digest()
    return SESSION_PREFIX + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def key_of(number: int) -> Ed25519PrivateKey:
    """The key of a seeded device."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"key {number}".encode()).digest())


def fill(folder: Path, url: str, devices: int, keys: int) -> None:
    """Enrol `devices` with a session each; the first `keys` of them have keys that they can sign with."""
    hub = build_hub(Settings(dir=folder, database_url=url))
    now = time.time()
    seed(hub.db, devices, now, running=RUNNING)
    with hub.db.write() as connection:
        for start in range(0, devices, CHUNK):
            numbers = range(start, min(devices, start + CHUNK))
            rows = [
                {"token_sha256": token_sha256(token_of(n)), "device": device_of(n), "expires_at": now + 86_400.0}
                for n in numbers
            ]
            connection.execute(sa.insert(table.session), rows)
        update = sa.update(table.device).where(table.device.c.id == sa.bindparam("of"))
        for start in range(0, keys, CHUNK):
            numbers = range(start, min(keys, start + CHUNK))
            public = [{"of": device_of(n), "public": key_of(n).public_key().public_bytes_raw()} for n in numbers]
            connection.execute(update.values(public_key=sa.bindparam("public")), public)
    hub.db.close()
