"""Mutants of an enrolment at the hub's own door: none enrols another device, or the same one otherwise."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping

import msgspec
import pytest

from edgewright.contract import httpsig
from edgewright.contract.api import ClaimDraft, Role
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.report import Capabilities, EnrolRequest
from edgewright.hub.app import Hub
from edgewright.hub.govern import Principal
from edgewright.hub.web.devices import DeviceDoors
from hostile.campaign import SEED, scaled, tell
from hostile.mutants import JSON_MUTATIONS, mutants
from hostile.signed import key_of
from scenes.dashboard import NOW, empty_hub

QUICK, LONG = 300, 5000
PATH = "/device/v1/enrol"
OPERATOR = Principal(name="ana", roles=(Role.OPERATOR,))
KEY = key_of("device")


@pytest.fixture
def hub(tmp_path):
    hub = empty_hub(tmp_path / "hub")
    yield hub
    hub.db.close()


class Enrolling:
    """A device with a claim, at the hub's doors, which answer with a status."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._doors = DeviceDoors(hub)
        self._claim = hub.fleet.claim(OPERATOR, ClaimDraft(count=1, labels={}, expires_in_s=1e6)).tokens[0]

    def body(self) -> bytes:
        machine = Capabilities(arch="x86_64", cores=4, ram_bytes=1, disk_free_bytes=1, runtimes={}, agent_version="1")
        public = KEY.public_key().public_bytes_raw()
        return msgspec.json.encode(
            EnrolRequest(claim=self._claim, public_key=public, name="press", capabilities=machine)
        )

    def headers(self, body: bytes) -> dict[str, str]:
        keyid = hashlib.sha256(KEY.public_key().public_bytes_raw()).hexdigest()
        nonce = self._hub.fleet.nonce().nonce
        return httpsig.sign("POST", PATH, body, key=SoftKey(KEY), keyid=keyid, nonce=nonce, created=int(NOW))

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Through ASGI, as a server would."""
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        answers: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": body}

        async def send(message: dict) -> None:
            answers.append(message)

        scope = {"method": "POST", "path": PATH, "headers": raw}
        asyncio.run(self._doors(scope, receive, send))
        status: int = answers[0]["status"]
        return status


def enrolment_campaign(hub: Hub, seed: int, count: int) -> Counter[str]:
    """Half of the mutants are of the body, half of the headers; what the hub said to how many."""
    device = Enrolling(hub)
    body = device.body()
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    for mutant in mutants(body, [], seed, count // 2):
        counts[str(device.post(mutant, device.headers(body)))] += 1
    while sum(counts.values()) < count:
        honest = device.headers(body)
        tree = json.loads(chance.choice(JSON_MUTATIONS)(chance, json.dumps(honest).encode(), []))
        headers = {name.lower(): str(value) for name, value in tree.items()}
        if any(headers.get(name.lower()) != value for name, value in honest.items()):  # else it says the same
            counts[str(device.post(body, headers))] += 1
    return counts


def held(hub: Hub, seed: int, count: int) -> Counter[str]:
    counts = enrolment_campaign(hub, seed, count)

    assert set(counts) <= {"400", "401", "403", "422"}, counts
    assert hub.fleet.devices() == []
    return counts


def test_no_mutant_of_an_enrolment_enrols_anything(hub):
    held(hub, SEED, scaled(QUICK))


def test_a_hub_that_has_no_root_yet_enrols_nobody(hub):
    device = Enrolling(hub)
    body = device.body()

    status = device.post(body, device.headers(body))

    assert status == 422
    assert hub.fleet.devices() == []


@pytest.mark.slow
def test_no_mutant_of_a_long_campaign_enrols_anything(hub, capsys):
    counts = held(hub, SEED + 1, scaled(LONG))

    tell(capsys, "enrolments at the hub", SEED + 1, counts)
