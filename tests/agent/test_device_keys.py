"""Where a device's key may be kept, and what it says when it cannot be used."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from edgewright.agent import keys
from edgewright.agent.keys import KeyUnusable, check_place, open_key
from edgewright.agent.keys.uri import parse
from edgewright.contract import httpsig
from edgewright.contract.devicekey import Algorithm, DevicePublicKey
from edgewright.contract.errors import HostileInput, InvalidInput, NotAllowed, UsageError

SOFTHSM = next((str(path) for path in Path("/usr/lib").rglob("libsofthsm2.so")), "")
PIN = "271828"


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory) -> Iterator[dict[str, str]]:
    """What a process needs that finds one token, 'edge'."""
    if not (SOFTHSM and shutil.which("softhsm2-util")):
        pytest.skip("softhsm2 is not installed (debian-packages.txt)")
    folder = tmp_path_factory.mktemp("device-token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    (folder / "pin").write_text(PIN + "\n")
    variables = {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf"), "PIN_FILE": str(folder / "pin")}
    words = ["--init-token", "--free", "--label", "edge", "--pin", PIN, "--so-pin", PIN]
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True, env=variables)
    return variables


def in_a_process(variables: dict[str, str], code: str, place: str) -> str:
    """What a process of its own prints: a token's library reads its configuration once."""
    before = (
        "import json, os, sys; from pathlib import Path; from edgewright.agent.keys import open_key\n"
        "from edgewright.contract import httpsig\n"
        "key = open_key(Path('nowhere'), sys.argv[1], os.environ)\n"
    )
    command = [sys.executable, "-c", before + code, place]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def place_of(variables: dict[str, str], where: str = "edge") -> str:
    return f"pkcs11:token={where};object=device?module-path={SOFTHSM}&pin-source=file:{variables['PIN_FILE']}"


def test_a_key_in_a_file_is_made_once_and_closed_to_others(tmp_path):
    made = open_key(tmp_path, "file", {})

    assert open_key(tmp_path, "file", {}).public_key.raw == made.public_key.raw
    assert made.public_key.algorithm is Algorithm.ED25519
    assert (tmp_path / "device.key").stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_file_says_how_to_mend_it(tmp_path):
    (tmp_path / "device.key").write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")

    with pytest.raises(InvalidInput, match="not a private key") as caught:
        open_key(tmp_path, "file", {})

    assert "enrol anew" in caught.value.hint


def test_a_token_makes_a_key_once_and_signs_requests_with_it(softhsm):
    sign = (
        "headers = httpsig.sign('POST', '/p', b'{}', key=key, keyid='d', nonce='n', created=1)\n"
        "print(json.dumps([key.public_key.raw.hex(), headers]))"
    )

    first, second = (json.loads(in_a_process(softhsm, sign, place_of(softhsm))) for _ in range(2))

    public = DevicePublicKey(bytes.fromhex(first[0]))
    headers = {name.lower(): value for name, value in second[1].items()}
    assert first[0] == second[0]
    assert httpsig.verify("POST", "/p", b"{}", headers, public).algorithm is Algorithm.P256
    with pytest.raises(NotAllowed):
        httpsig.verify("POST", "/q", b"{}", headers, public)


def test_a_wrong_pin_is_tried_once_and_not_again(softhsm, tmp_path):
    (tmp_path / "pin").write_text("000000")
    ask = "for _ in range(3):\n  try: key.sign(b'')\n  except Exception as error: print(error.message)\n"

    told = in_a_process(softhsm, ask, place_of({"PIN_FILE": str(tmp_path / "pin")})).splitlines()

    assert told[0].startswith("the token refuses its PIN")
    assert told[1:] == ["the token has refused this PIN; it is not asked again"] * 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"token": "gone"}, "the token refuses"),
        ({"SOFTHSM": "/nowhere/lib.so"}, "the token refuses"),
        ({"PIN_FILE": "/nowhere/pin"}, "PIN's file cannot be read"),
    ],
)
def test_a_token_that_cannot_be_used_is_told_as_such(softhsm, change, told):
    place = place_of({**softhsm, **change}, change.get("token", "edge"))
    place = place.replace(SOFTHSM, change.get("SOFTHSM", SOFTHSM))

    answer = in_a_process(softhsm, "try: key.sign(b'')\nexcept Exception as e: print(type(e).__name__, e)", place)

    assert answer.startswith("KeyUnusable")
    assert told in answer


def test_an_agent_starts_without_its_token(tmp_path):
    key = open_key(tmp_path, "pkcs11:token=gone?module-path=/nowhere.so", {"EDGEWRIGHT_PKCS11_PIN": "1"})

    with pytest.raises(KeyUnusable):
        key.sign(b"")


@pytest.mark.parametrize(
    "place",
    [
        "pkcs11:token=a",
        "pkcs11:token=a?module-path=lib.so",
        "pkcs11:token=a;token=b?module-path=/lib.so",
        "pkcs11:token=a?module-path=/lib.so&pin-value=1234",
        "pkcs11:token=a?module-path=/lib.so&pin-source=pin",
        "pkcs11:slot-id=1?module-path=/lib.so",
        "tpm:",
        "file:/elsewhere",
        "",
    ],
)
def test_a_place_that_is_none_is_refused_with_an_example(place):
    with pytest.raises(UsageError) as caught:
        check_place(place)

    assert caught.value.hint


def test_a_uri_names_token_object_library_and_pin():
    found = parse("pkcs11:token=my%20tpm;object=dev?module-path=/usr/lib/x.so&pin-source=file:///run/pin")

    assert (found.token, found.label, found.module, str(found.pin_file)) == (
        "my tpm",
        "dev",
        "/usr/lib/x.so",
        "/run/pin",
    )
    assert keys.check_place("file") == "file"


RFC_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
"""


def rfc_key() -> DevicePublicKey:
    key = load_pem_public_key(RFC_KEY)
    assert isinstance(key, EllipticCurvePublicKey)
    return DevicePublicKey(key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def test_the_example_b24_of_rfc_9421_verifies():
    digest = "mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ=="
    covered = [
        ("@status", "200"),
        ("content-type", "application/json"),
        ("content-digest", f"sha-512=:{digest}:"),
        ("content-length", "23"),
    ]
    names = " ".join(f'"{name}"' for name, _ in covered)
    base = httpsig.signature_base(covered, f'({names});created=1618884473;keyid="test-key-ecc-p256"')
    signature = "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="

    rfc_key().verify(base64.b64decode(signature), base)

    with pytest.raises(NotAllowed):
        rfc_key().verify(base64.b64decode(signature)[:63], base)
    with pytest.raises(NotAllowed):
        rfc_key().verify(bytes(64), base)


@pytest.mark.parametrize("raw", [b"", bytes(31), b"\x02" + b"\xff" * 32, b"\x04" + bytes(32), bytes(33), bytes(65)])
def test_bytes_that_are_no_key_are_hostile(raw):
    with pytest.raises(HostileInput):
        DevicePublicKey(raw)
