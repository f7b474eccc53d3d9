"""Enrolment: a claim token, a signature, one device."""

from __future__ import annotations

import random

import msgspec
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.contract.api import ClaimDraft
from edgewright.contract.errors import HostileInput, NotAllowed
from edgewright.contract.report import Capabilities, EnrolRequest
from edgewright.hub.events import Events
from edgewright.hub.fleet import ClaimExpired, ClaimUsed, DeviceRevoked, Fleet, StaleNonce, UnknownClaim, table
from edgewright.hub.fleet.enrolment import check_enrol_request
from edgewright.hub.fleet.model import DeviceExists, key_sha256, token_sha256


def test_a_device_enrols_with_its_claim_and_gets_the_claims_labels_and_the_root(fleet, device, claim, clock):
    reply = device.enrol(claim, name="lane-1")

    assert reply.root == b'{"signed": {"_type": "root"}}'
    assert reply.labels == {"site": "berlin", "line": "1"}
    assert reply.hub_time == clock.now
    record = fleet.device(reply.device)
    assert (record.name, record.arch, record.cores, record.is_revoked) == ("lane-1", "x86_64", 4, False)
    assert record.runtimes == {"onnxruntime": "1.23.2"}
    assert record.last_seen_at is None


def test_claim_tokens_are_kept_only_as_their_digest(db, claim):
    with db.read() as connection:
        rows = connection.execute(sa.select(table.claim)).mappings().all()

    assert claim.startswith("ewc_")
    assert [row["token_sha256"] for row in rows] == [token_sha256(claim)]
    assert claim not in str(rows)


def test_a_dry_run_makes_no_claim(fleet, operator, db):
    reply = fleet.claim(operator, ClaimDraft(count=3), dry_run=True)

    with db.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table.claim)) == 0
    assert reply.tokens == ()


def test_enrolling_is_audited_and_told(fleet, device, claim, db, audit):
    id = device.enrol(claim).device

    told: list[str] = []
    events = Events(db, lambda: 0.0)
    events.subscribe("fleet.enrolled", lambda event: told.append(event.subject))
    events.deliver()
    assert told == [id]
    assert [entry.action for entry in audit.entries()] == ["fleet.claimed", "fleet.enrolled"]
    assert audit.verify().is_verified


def test_the_same_enrolment_again_gives_the_same_device(fleet, device, claim, clock):
    first = device.enrol(claim)
    clock.now += 2 * 86400.0

    again = device.enrol(claim)

    assert again.device == first.device
    assert len(fleet.devices()) == 1


def test_a_claim_enrols_only_one_device(fleet, device, claim, clock):
    device.enrol(claim)
    other = type(device)(fleet, clock)

    with pytest.raises(ClaimUsed) as caught:
        other.enrol(claim)

    assert caught.value.field == "claim"
    assert "edgewright device claim" in caught.value.hint
    assert len(fleet.devices()) == 1


def test_an_expired_claim_enrols_nobody(fleet, device, claim, clock):
    clock.now += 86400.0

    with pytest.raises(ClaimExpired) as caught:
        device.enrol(claim)

    assert caught.value.field == "claim"
    assert fleet.devices() == []


@pytest.mark.parametrize("claim", ["", "ewc_", "ewc_" + "A" * 43])
def test_a_claim_that_nobody_made_enrols_nobody(device, claim):
    with pytest.raises(UnknownClaim) as caught:
        device.enrol(claim)

    assert caught.value.field == "claim"


def test_a_wrong_signature_enrols_nobody_and_leaves_the_claim_good(fleet, device, claim):
    with pytest.raises(NotAllowed):
        device.enrol(claim, key=Ed25519PrivateKey.generate())

    assert fleet.devices() == []
    assert device.enrol(claim).labels["site"] == "berlin"


def test_an_enrolment_that_was_overheard_cannot_be_played_again(fleet, device, claim):
    machine = Capabilities(arch="x86_64", cores=1, ram_bytes=1, disk_free_bytes=1, runtimes={}, agent_version="1")
    request = EnrolRequest(claim=claim, public_key=device.public_key, name="lane", capabilities=machine)
    body = msgspec.json.encode(request)
    headers = device.sign("/device/v1/enrol", body, key_sha256(device.public_key))
    fleet.enrol(request, headers, body, "POST", "/device/v1/enrol")

    with pytest.raises(StaleNonce):
        fleet.enrol(request, headers, body, "POST", "/device/v1/enrol")


def test_an_enrolled_key_does_not_take_a_second_claim(fleet, device, claim, operator):
    device.enrol(claim)
    second = fleet.claim(operator, ClaimDraft()).tokens[0]

    with pytest.raises(DeviceExists):
        device.enrol(second)


def test_a_revoked_device_does_not_enrol_again(fleet, device, claim, operator):
    fleet.revoke(operator, device.enrol(claim).device)

    with pytest.raises(DeviceRevoked):
        device.enrol(claim)


def test_a_hub_that_fails_half_way_leaves_the_claim_unused(db, fleet, audit, clock, device, claim):
    with db.write() as connection:
        connection.execute(sa.text("ALTER TABLE event RENAME TO elsewhere"))  # the device's row comes before it

    with pytest.raises(sa.exc.DBAPIError):
        device.enrol(claim)

    with db.write() as connection:
        connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO event"))
    assert device.enrol(claim).device == fleet.devices()[0].id


def test_a_nonce_of_another_hubs_life_is_stale(db, fleet, audit, clock, device, claim):
    id = device.enrol(claim).device
    nonce = fleet.nonce().nonce
    device.fleet = Fleet(db, Events(db, clock), audit, clock, lambda: b"", random.Random(8).randbytes)

    with pytest.raises(StaleNonce):
        device.open_session(id, nonce)


@pytest.mark.parametrize(
    "change",
    [
        {"public_key": b"short"},
        {"name": "x" * 101},
        {"name": "\x1b[31m"},
        {
            "capabilities": Capabilities(
                arch="x", cores=-1, ram_bytes=0, disk_free_bytes=0, runtimes={}, agent_version="1"
            )
        },
        {
            "capabilities": Capabilities(
                arch="x",
                cores=1,
                ram_bytes=0,
                disk_free_bytes=0,
                runtimes={str(n): "" for n in range(33)},
                agent_version="1",
            )
        },
    ],
)
def test_implausible_first_contacts_are_hostile(change):
    machine = Capabilities(arch="x86_64", cores=1, ram_bytes=1, disk_free_bytes=1, runtimes={}, agent_version="1")
    request = EnrolRequest(claim="ewc_", public_key=bytes(32), name="lane", capabilities=machine)

    with pytest.raises(HostileInput):
        check_enrol_request(msgspec.structs.replace(request, **change))
