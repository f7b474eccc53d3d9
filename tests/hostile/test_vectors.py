"""The vectors in the documentation are what we write, and what we read as they say."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgewright.agent.trust import read_order
from edgewright.contract import httpsig
from edgewright.contract import manifest as manifests
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.errors import HostileInput, NotAllowed
from edgewright.contract.trusted import TrustedSet
from hostile import vectors

FILES = {
    name: json.loads((vectors.FOLDER / name).read_text())
    for name in ("manifest.json", "order.json", "request.json", "request_p256.json")
}
MANIFEST, ORDER = FILES["manifest.json"], FILES["order.json"]
REQUESTS = FILES["request.json"], FILES["request_p256.json"]


@pytest.mark.parametrize("name", FILES)
def test_the_vectors_are_those_that_are_made_today(name):
    made = json.loads(json.dumps(vectors.build()[name]))

    assert FILES[name] == made, "python tests/hostile/vectors.py, if the format was changed on purpose"


def test_a_manifest_has_one_form_in_bytes():
    for case in MANIFEST["sound"]:
        manifest = manifests.decode(case["bytes"].encode())

        assert manifests.encode(manifest).decode() == case["bytes"]
        assert manifests.digest(case["bytes"].encode()) == case["sha256"]
        assert json.loads(case["bytes"]) == case["manifest"]


@pytest.mark.parametrize("case", MANIFEST["refused"], ids=lambda case: case["why"])
def test_a_manifest_that_is_none_is_refused(case):
    with pytest.raises(HostileInput) as refused:
        manifests.decode(base64.b64decode(case["bytes_base64"]))

    assert refused.value.field == case["field"]


def test_an_order_is_read_as_it_was_meant():
    for case in ORDER["sound"]:
        order = opened(case["envelope"])

        assert json.loads(json.dumps(case["order"]))["installs"][0]["counter"] == order.installs[0].counter
        signature = base64.b64decode(json.loads(case["envelope"])["signatures"][0]["sig"])
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(ORDER["director"]["public"]))
        key.verify(signature, base64.b64decode(case["signed_bytes_base64"]))


@pytest.mark.parametrize("case", ORDER["refused"], ids=lambda case: case["why"])
def test_an_order_that_is_not_for_this_moment_and_device_is_refused(case):
    with pytest.raises(HostileInput) as refused:
        opened(case["envelope"])

    assert refused.value.field == case["field"]


@pytest.mark.parametrize("vector", REQUESTS, ids=["ed25519", "p256"])
def test_a_request_is_verified_over_its_signature_base(vector):
    for case in vector["sound"]:
        params = verified(vector, case["request"])

        assert params.keyid == vectors.DEVICE
        signature = base64.b64decode(case["request"]["headers"]["signature"].split(":")[1])
        public_key(vector).verify(signature, case["signature_base"].encode())


@pytest.mark.parametrize(
    ("vector", "case"),
    [(vector, case) for vector in REQUESTS for case in vector["refused"]],
    ids=lambda one: one.get("why", "") if "why" in one else one["public_key_hex"][:8],
)
def test_a_request_of_another_spelling_is_refused(vector, case):
    with pytest.raises((HostileInput, NotAllowed)) as refused:
        verified(vector, case["request"])

    assert refused.value.field == case["field"]


def opened(envelope: str):
    trusted = TrustedSet.from_root(ORDER["root"].encode())
    facts: dict[str, Any] = {name: ORDER[name] for name in ("device", "nonce", "now", "skew_s")}
    return read_order(envelope.encode(), trusted, **facts)


def verified(vector: dict[str, Any], request: dict[str, Any]) -> httpsig.SignatureParams:
    body = request["body"].encode()
    return httpsig.verify(request["method"], request["path"], body, request["headers"], public_key(vector))


def public_key(vector: dict[str, Any]) -> DevicePublicKey:
    return DevicePublicKey(bytes.fromhex(vector["public_key_hex"]))
