"""A device's key in a thief's hands, against a real hub: what it opens, and that it opens nothing once revoked."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.client.keys import ceremony
from edgewright.contract import httpsig
from edgewright.contract.api import ClaimDraft, Role
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.envelope import open_sealed
from edgewright.contract.errors import ErrorReply
from edgewright.contract.order import PAYLOAD_TYPE, Order
from edgewright.contract.report import (
    Batch,
    Capabilities,
    CheckIn,
    EnrolReply,
    EnrolRequest,
    Fault,
    NonceReply,
    SessionReply,
)
from edgewright.hub.app import Hub, build_hub
from edgewright.hub.govern import Principal
from edgewright.hub.web.devices import DeviceDoors
from scenes.dashboard import NOW, empty_hub

OPERATOR = Principal(name="olga", roles=(Role.OPERATOR,))
MACHINE = Capabilities(
    arch="x86_64", cores=1, ram_bytes=1, disk_free_bytes=1, runtimes={"onnxruntime": "1.23.2"}, agent_version="0"
)


class Caller:
    """Whoever holds a device's key: speaks to the hub's doors as the device would."""

    def __init__(self, hub: Hub) -> None:
        self.doors = DeviceDoors(hub)
        self.key = Ed25519PrivateKey.generate()
        self.device = self.token = ""

    def ask(self, method: str, door: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        bearer = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return asyncio.run(self._ask(method, f"/device/v1/{door}", body, {**bearer, **headers}))

    def signed(self, door: str, body: bytes, keyid: str) -> tuple[int, bytes]:
        nonce = msgspec.json.decode(self.ask("POST", "nonce")[1], type=NonceReply).nonce
        return self.signed_with(nonce, door, body, keyid)

    def signed_with(self, nonce: str, door: str, body: bytes, keyid: str) -> tuple[int, bytes]:
        path = f"/device/v1/{door}"
        headers = httpsig.sign("POST", path, body, key=SoftKey(self.key), keyid=keyid, nonce=nonce, created=int(NOW))
        return self.ask("POST", door, body, **{name.lower(): value for name, value in headers.items()})

    def enrol(self, claim: str) -> tuple[int, bytes]:
        public = self.key.public_key().public_bytes_raw()
        request = EnrolRequest(claim=claim, public_key=public, name="lane", capabilities=MACHINE)
        return self.signed("enrol", msgspec.json.encode(request), hashlib.sha256(public).hexdigest())

    def open_session(self) -> tuple[int, bytes]:
        return self.signed("session", b"{}", self.device)

    def check_in(self) -> tuple[int, bytes]:
        return self.ask("POST", "checkin", msgspec.json.encode(CheckIn(nonce="n1")))

    def send(self) -> tuple[int, bytes]:
        fault = Fault(id="f", at=NOW, code="x", message="m")
        return self.signed("batch", msgspec.msgpack.encode(Batch(records=(fault,))), self.device)

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        sent: list[dict] = []
        waiting = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> dict:
            return next(waiting)

        async def send(message: dict) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.doors({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def hub(tmp_path):
    """A hub whose ceremony was held."""
    hub = empty_hub(tmp_path / "hub")
    moment = datetime.fromtimestamp(NOW, UTC)
    ceremony(tmp_path / "operator", tmp_path / "hub" / "tuf", hub.keys.public(), moment)
    hub.packaging.renew()
    yield hub
    hub.db.close()


@pytest.fixture
def claims(hub) -> list[str]:
    return list(hub.fleet.claim(OPERATOR, ClaimDraft(count=3)).tokens)


@pytest.fixture
def thief(hub, claims) -> Caller:
    """Has the key of an enrolled device, and a session."""
    caller = Caller(hub)
    caller.device = enrolled(caller.enrol(claims.pop()))
    caller.token = msgspec.json.decode(caller.open_session()[1], type=SessionReply).token
    return caller


def enrolled(reply: tuple[int, bytes]) -> str:
    return msgspec.json.decode(reply[1], type=EnrolReply).device


def order_of(hub: Hub, reply: tuple[int, bytes]) -> Order:
    keys = {hub.keys.director.public_key.keyid: hub.keys.director.public_key}
    return msgspec.json.decode(open_sealed(reply[1], PAYLOAD_TYPE, keys), type=Order)


def test_a_stolen_device_key_speaks_for_that_device_alone(hub, thief, claims):
    other = Caller(hub)
    other.device = enrolled(other.enrol(claims.pop()))
    own = thief.device

    assert order_of(hub, thief.check_in()).device == own
    thief.device = other.device
    assert thief.open_session()[0] == 403
    assert thief.send()[0] == 403


def test_a_revoked_device_s_key_opens_nothing_from_the_next_request_on(hub, thief, claims):
    assert thief.check_in()[0] == thief.send()[0] == 200
    nonce = msgspec.json.decode(thief.ask("POST", "nonce")[1], type=NonceReply).nonce
    blob = f"blobs/{hub.blobs.put_bytes(b'weights')}"
    assert thief.ask("GET", blob) == (200, b"weights")

    hub.fleet.revoke(OPERATOR, thief.device)

    refused = [
        thief.check_in(),
        thief.send(),
        thief.ask("GET", blob),
        thief.open_session(),
        thief.enrol(claims.pop()),
        thief.signed_with(nonce, "session", b"{}", thief.device),
    ]
    for status, body in refused:
        assert status == 403
        assert msgspec.json.decode(body, type=ErrorReply).error.code == "device_revoked"
    assert len(hub.fleet.devices()) == 1


def test_a_revocation_outlives_the_hub_s_memory(hub, tmp_path, thief):
    hub.fleet.revoke(OPERATOR, thief.device)
    again = build_hub(hub.settings, hub.clock)

    thief.doors = DeviceDoors(again)

    assert thief.check_in()[0] == thief.open_session()[0] == 403
    again.db.close()
