"""A fleet on a real SQLite file, a clock that tests turn by hand, and devices with real Ed25519 keys."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from edgewright.contract import httpsig
from edgewright.contract.api import ClaimDraft, Role
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.report import Capabilities, EnrolReply, EnrolRequest, SessionReply
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.fleet.model import key_sha256
from edgewright.hub.govern import Audit, Principal
from scenes.databases import new_database

ROOT = b'{"signed": {"_type": "root"}}'


MACHINE = Capabilities(
    arch="x86_64",
    cores=4,
    ram_bytes=2**30,
    disk_free_bytes=2**33,
    runtimes={"onnxruntime": "1.23.2"},
    agent_version="0.1.0",
)


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Handset:
    """What an agent does to reach the fleet: it holds a key and signs."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self.fleet = fleet
        self.clock = clock
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()

    def enrol(
        self,
        claim: str,
        name: str = "lane-1",
        key: Ed25519PrivateKey | None = None,
        machine: Capabilities = MACHINE,
    ) -> EnrolReply:
        request = EnrolRequest(claim=claim, public_key=self.public_key, name=name, capabilities=machine)
        body = msgspec.json.encode(request)
        headers = self.sign("/device/v1/enrol", body, key_sha256(self.public_key), key=key)
        return self.fleet.enrol(request, headers, body, "POST", "/device/v1/enrol")

    def open_session(self, device: str, nonce: str = "") -> SessionReply:
        headers = self.sign("/device/v1/session", b"{}", device, nonce)
        return self.fleet.open_session(headers, b"{}", "POST", "/device/v1/session")

    def sign(
        self, path: str, body: bytes, keyid: str, nonce: str = "", key: Ed25519PrivateKey | None = None
    ) -> dict[str, str]:
        nonce = nonce or self.fleet.nonce().nonce
        created = int(self.clock())
        signed = httpsig.sign(
            "POST", path, body, key=SoftKey(key or self.key), keyid=keyid, nonce=nonce, created=created
        )
        return {name.lower(): value for name, value in signed.items()}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def audit(db: Database, clock: Clock) -> Audit:
    return Audit(db, clock, CryptoSigner.generate_ed25519())


@pytest.fixture
def fleet(db: Database, audit: Audit, clock: Clock) -> Fleet:
    return Fleet(db, Events(db, clock), audit, clock, lambda: ROOT, random.Random(7).randbytes)


@pytest.fixture
def device(fleet: Fleet, clock: Clock) -> Handset:
    return Handset(fleet, clock)


@pytest.fixture
def operator() -> Principal:
    return Principal(name="olga", roles=(Role.OPERATOR,))


@pytest.fixture
def enrolled(fleet: Fleet, operator: Principal, clock: Clock) -> Callable[..., str]:
    """Enrols one more device with these labels; returns its id."""

    def enrol(name: str = "lane", machine: Capabilities = MACHINE, **labels: str) -> str:
        token = fleet.claim(operator, ClaimDraft(labels=labels)).tokens[0]
        return Handset(fleet, clock).enrol(token, name, machine=machine).device

    return enrol


@pytest.fixture
def claim(fleet: Fleet, operator: Principal) -> str:
    return fleet.claim(operator, ClaimDraft(labels={"site": "berlin", "line": "1"})).tokens[0]
