"""Sessions: opened by a signature, carried by a token, over at once when a device is revoked."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.contract.errors import HostileInput, NotAllowed
from edgewright.hub.fleet import DeviceRevoked, SessionEnded, StaleNonce, UnknownDevice, table


def test_a_signed_request_opens_a_session(fleet, device, claim):
    id = device.enrol(claim).device

    reply = device.open_session(id)

    assert reply.token.startswith("ews_")
    assert reply.expires_in_s == 3600.0
    assert fleet.session(reply.token) == id


def test_a_session_lasts_an_hour(fleet, device, claim, clock):
    token = device.open_session(device.enrol(claim).device).token
    clock.now += 3599.0
    assert fleet.session(token)

    clock.now += 1.0

    with pytest.raises(SessionEnded) as caught:
        fleet.session(token)
    assert caught.value.http_status == 401


def test_session_tokens_are_kept_only_as_their_digest(db, device, claim):
    token = device.open_session(device.enrol(claim).device).token

    with db.read() as connection:
        assert token not in str(connection.execute(sa.select(table.session)).all())


def test_revoking_ends_every_session_at_once(fleet, device, claim, operator):
    id = device.enrol(claim).device
    tokens = [device.open_session(id).token for _ in range(2)]
    assert fleet.session(tokens[0]) == id

    fleet.revoke(operator, id)

    for token in tokens:
        with pytest.raises(DeviceRevoked) as caught:
            fleet.session(token)
        assert caught.value.http_status == 403
    with pytest.raises(DeviceRevoked):
        device.open_session(id)


def test_a_nonce_opens_one_session_only(fleet, device, claim):
    id = device.enrol(claim).device
    nonce = fleet.nonce().nonce
    device.open_session(id, nonce)

    with pytest.raises(StaleNonce):
        device.open_session(id, nonce)


def test_a_nonce_is_good_for_a_minute(fleet, device, claim, clock):
    id = device.enrol(claim).device
    nonce = fleet.nonce().nonce
    clock.now += 60.0

    with pytest.raises(StaleNonce):
        device.open_session(id, nonce)


@pytest.mark.parametrize("nonce", ["x", "A" * 56, "~~~~"])
def test_a_nonce_that_the_hub_never_gave_opens_nothing(device, claim, nonce):
    id = device.enrol(claim).device

    with pytest.raises(StaleNonce):
        device.open_session(id, nonce)


def test_used_nonces_are_forgotten_once_they_have_expired(db, fleet, device, claim, clock):
    id = device.enrol(claim).device
    clock.now += 61.0

    device.open_session(id)

    with db.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table.used_nonce)) == 1


def test_another_key_opens_no_session(device, claim):
    id = device.enrol(claim).device
    device.key = Ed25519PrivateKey.generate()

    with pytest.raises(NotAllowed):
        device.open_session(id)


def test_an_unknown_device_opens_no_session(device):
    with pytest.raises(UnknownDevice):
        device.open_session("dev-0000000000000000")


def test_a_batch_is_accepted_only_with_its_own_devices_signature_over_its_own_bytes(fleet, device, claim):
    id = device.enrol(claim).device
    headers = device.sign("/device/v1/batch", b"records", id, nonce="any")

    fleet.verify_batch(id, headers, b"records", "POST", "/device/v1/batch")

    with pytest.raises(HostileInput):
        fleet.verify_batch(id, headers, b"other", "POST", "/device/v1/batch")
    with pytest.raises(NotAllowed):
        fleet.verify_batch(id, headers, b"records", "POST", "/device/v1/session")
    with pytest.raises(NotAllowed):
        fleet.verify_batch("dev-other", headers, b"records", "POST", "/device/v1/batch")
