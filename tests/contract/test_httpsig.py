"""Signed requests: the RFC's own example, what passes and what does not."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract import httpsig
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import HostileInput, NotAllowed

KEY = SoftKey(Ed25519PrivateKey.generate())


def signed(method="POST", path="/device/v1/session", body=b"{}", nonce="n-1"):
    headers = httpsig.sign(method, path, body, key=KEY, keyid="device-1", nonce=nonce, created=1_700_000_000)
    return {name.lower(): value for name, value in headers.items()}


@given(st.sampled_from(["GET", "POST", "PUT"]), st.binary(max_size=200))
def test_a_signed_request_passes_and_tells_its_parameters(method, body):
    params = httpsig.verify(method, "/a/b", body, signed(method, "/a/b", body), KEY.public_key)

    assert params == httpsig.SignatureParams(keyid="device-1", nonce="n-1", created=1_700_000_000)


def test_the_example_b26_of_rfc_9421_is_reproduced():
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU="))
    covered = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
    names = " ".join(f'"{name}"' for name, _ in covered)

    signature = key.sign(httpsig.signature_base(covered, f'({names});created=1618884473;keyid="test-key-ed25519"'))

    assert base64.b64encode(signature).decode() == (
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/device/v1/session"), ("POST", "/device/v1/batch"), ("POST", "/device/v1/session/")]
)
def test_a_signature_does_not_fit_another_request(method, path):
    with pytest.raises(NotAllowed):
        httpsig.verify(method, path, b"{}", signed(), KEY.public_key)


def test_another_body_is_hostile():
    with pytest.raises(HostileInput, match="digest"):
        httpsig.verify("POST", "/device/v1/session", b"{ }", signed(), KEY.public_key)


def test_another_key_is_not_allowed():
    stranger = SoftKey(Ed25519PrivateKey.generate()).public_key

    with pytest.raises(NotAllowed, match="does not hold"):
        httpsig.verify("POST", "/device/v1/session", b"{}", signed(), stranger)


def test_a_replaced_nonce_breaks_the_signature():
    headers = signed()
    headers["signature-input"] = headers["signature-input"].replace("n-1", "n-2")

    with pytest.raises(NotAllowed):
        httpsig.verify("POST", "/device/v1/session", b"{}", headers, KEY.public_key)


@pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest"])
def test_a_request_without_one_of_the_headers_is_not_allowed(name):
    headers = {key: value for key, value in signed().items() if key != name}

    with pytest.raises(NotAllowed, match=name):
        httpsig.verify("POST", "/device/v1/session", b"{}", headers, KEY.public_key)


@pytest.mark.parametrize(
    "value",
    [
        "",
        'edgewright=("@method");created=1;keyid="a";nonce="b";alg="ed25519"',
        'edgewright=("@method" "@path" "content-digest");created=1;keyid="a";nonce="b";alg="hmac-sha256"',
        'edgewright=("@method" "@path" "content-digest");created=-1;keyid="a";nonce="b";alg="ed25519"',
        'edgewright=("@method" "@path" "content-digest");created=1;keyid="a\\"";nonce="b";alg="ed25519"',
        "x" * 5000,
    ],
)
def test_another_form_of_signature_input_is_hostile(value):
    with pytest.raises(HostileInput):
        httpsig.parse({"signature-input": value})


def test_a_method_in_other_letters_is_another_request():
    with pytest.raises(NotAllowed):
        httpsig.verify("post", "/device/v1/session", b"{}", signed(), KEY.public_key)


def test_parameters_are_verified_as_they_were_written():
    headers = signed()
    headers["signature-input"] = headers["signature-input"].replace("created=", "created=0")

    with pytest.raises(NotAllowed):
        httpsig.verify("POST", "/device/v1/session", b"{}", headers, KEY.public_key)


def test_a_signature_has_one_form_only():
    headers = signed()
    last = headers["signature"][-4]  # of the 86 digits of 64 bytes, four bits of the last mean nothing
    other = chr(ord(last) + 1) if last not in "Zz9/" else "B"
    headers["signature"] = headers["signature"][:-4] + other + headers["signature"][-3:]

    with pytest.raises((HostileInput, NotAllowed)):
        httpsig.verify("POST", "/device/v1/session", b"{}", headers, KEY.public_key)


@pytest.mark.parametrize("path", ["/device/v1/\ud800", "/device/v1/session\n", "/device/v1/\x00"])
def test_a_path_that_no_request_can_have_is_hostile(path):
    with pytest.raises(HostileInput, match="path"):
        httpsig.verify("POST", path, b"{}", signed(), KEY.public_key)
