"""Vectors for those who write their own agent or hub: `python tests/hostile/vectors.py` writes docs/reference/vectors.

Signatures are deterministic and the keys are fixed, so the same files come out every time.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgewright.contract import httpsig
from edgewright.contract import manifest as manifests
from edgewright.contract.devicekey import DeviceKey, DevicePublicKey, SoftKey
from edgewright.contract.envelope import seal
from edgewright.contract.order import PAYLOAD_TYPE
from edgewright.contract.preprocessing.picture import Method, Resize
from edgewright.contract.tensors import Dtype, Kind, TensorSpec
from hostile.signed import DEVICE, NONCE, NOW, Hub, key_of, manifest_bytes, order_payload

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "vectors"
CREATED = int(NOW.timestamp())
PATH, BODY = "/device/v1/session", b'{"hello":"hub"}'

Tree = dict[str, Any]


def build() -> dict[str, Tree]:
    """Every file of vectors, by name."""
    return {
        "manifest.json": _manifest(),
        "order.json": _order(),
        "request.json": _request(SoftKey(key_of("device"))),
        "request_p256.json": _request(_P256Key()),
    }


def write() -> None:
    """Put the files into the documentation."""
    for name, tree in build().items():
        (FOLDER / name).write_text(json.dumps(tree, indent=1, ensure_ascii=True) + "\n")


def _manifest() -> Tree:
    data = manifest_bytes()
    tree = json.loads(data)

    def prepared(**changes: object) -> bytes:
        step = msgspec.to_builtins(_RESIZE) | changes
        contract = tree["contract"] | {"inputs": [msgspec.to_builtins(_PICTURE)], "preprocessing": [step]}
        return msgspec.json.encode(tree | {"contract": contract}, order="sorted")

    cases: list[tuple[str, bytes, str]] = [
        ("white space", json.dumps(tree, sort_keys=True).encode(), "manifest"),
        ("keys in another order", _compact(dict(reversed(tree.items()))), "manifest"),
        ("a key twice", data.replace(b'"version":3', b'"version":2,"version":3'), "manifest"),
        ("an escape where a character would do", data.replace(b"digits", b"\\u0064igits"), "manifest"),
        ("a number in another form", data.replace(b"50.0", b"5e1"), "manifest"),
        ("a field that nobody knows", _compact(tree | {"zeal": 1}), "manifest"),
        ("a byte order mark", b"\xef\xbb\xbf" + data, "manifest"),
        ("another format", _changed(tree, "format", 1), "format"),
        ("a file name that leaves its folder", _changed(tree, "files.0.name", "../model.onnx"), "files[0].name"),
        ("two files of one name but for capitals", _twice(tree, "MODEL.onnx", "asset"), "files.name"),
        ("two models", _twice(tree, "other.onnx", "model"), "files.role"),
        ("a digest in capitals", _changed(tree, "files.0.sha256", "AB" * 32), "files[0].sha256"),
        ("a negative size", _changed(tree, "files.0.size_bytes", -1), "files[0].size_bytes"),
        ("a size beyond all bounds", _changed(tree, "files.0.size_bytes", 2**60), "files[0].size_bytes"),
        ("a counter that other readers round", _changed(tree, "counter", 2**53), "counter"),
        ("a step that nobody knows", prepared(step="exec"), "contract.preprocessing[0].step"),
        ("a step that would fill the memory", prepared(height=65536, width=65536), "contract.preprocessing[0].output"),
        ("a step that reads what nobody makes", prepared(input="pixels"), "contract.preprocessing[0].input"),
    ]
    sound = [data, prepared()]
    return {
        "sound": [
            {"manifest": json.loads(one), "bytes": one.decode(), "sha256": manifests.digest(one)} for one in sound
        ],
        "refused": [{"why": why, "bytes_base64": _base64(given), "field": field} for why, given, field in cases],
    }


def _order() -> Tree:
    hub = Hub()
    director = hub.keys["director"]

    def sealed(payload: bytes, signer: str = "director", payload_type: str = PAYLOAD_TYPE) -> str:
        return seal(payload, payload_type, hub.keys[signer]).decode()

    payload = order_payload()
    tree = json.loads(payload)
    sound = sealed(payload)
    another = json.loads(sound) | {"payload": _base64(order_payload(poll_s=60.0))}
    cases: list[tuple[str, str, str]] = [
        ("a payload that was not signed", json.dumps(another), "signatures"),
        ("the signature of another role", sealed(payload, "timestamp"), "signatures"),
        ("another type", sealed(payload, payload_type="application/json"), "payloadType"),
        ("for another device", sealed(order_payload(device="dev-2")), "device"),
        ("an answer to another question", sealed(order_payload(nonce="00" * 16)), "nonce"),
        ("from the future", sealed(order_payload(issued_at=NOW.timestamp() + 3600)), "issued_at"),
        ("its time to live is over", sealed(order_payload(issued_at=NOW.timestamp() - 7200)), "issued_at"),
        ("another format", sealed(order_payload(format=1)), "format"),
        ("the format before leases", sealed(order_payload(format=2)), "format"),
        (
            "a lease from before all time",
            sealed(_changed(tree, "installs.0.lease_until", -1.0)),
            "installs[0].lease_until",
        ),
        (
            "more windows than anybody needs",
            sealed(_changed(tree, "installs.0.windows", ["00:00-01:00"] * 17)),
            "installs[0].windows",
        ),
        ("a digest that leaves its folder", sealed(_changed(tree, "installs.0.fetches.0.sha256", "../x")), _FETCH),
        ("a check-in in a thousand years", sealed(order_payload(poll_s=3e10)), "poll_s"),
        ("a target of another model", sealed(_changed(tree, "installs.0.model", "wine")), "target_path"),
    ]
    return {
        "root": hub.root(1).decode(),
        "director": {"keyid": director.public_key.keyid, "public": director.public_key.keyval["public"]},
        "device": DEVICE,
        "nonce": NONCE,
        "now": NOW.timestamp(),
        "skew_s": 300.0,
        "sound": [{"envelope": sound, "signed_bytes_base64": _base64(_pae(payload)), "order": tree}],
        "refused": [{"why": why, "envelope": envelope, "field": field} for why, envelope, field in cases],
    }


class _P256Key:
    """A fixed P-256 key whose signatures are deterministic (RFC 6979)."""

    def __init__(self) -> None:
        self._private = ec.derive_private_key(int.from_bytes(b"a key of tests".ljust(31), "big"), ec.SECP256R1())
        point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.public_key = DevicePublicKey(point)

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _request(key: DeviceKey) -> Tree:
    headers = httpsig.sign("POST", PATH, BODY, key=key, keyid=DEVICE, nonce=NONCE, created=CREATED)
    lower = {name.lower(): value for name, value in headers.items()}
    params = lower["signature-input"].removeprefix(f"{httpsig.LABEL}=")
    covered = (("@method", "POST"), ("@path", PATH), ("content-digest", lower["content-digest"]))
    whole = {"method": "POST", "path": PATH, "body": BODY.decode(), "headers": lower}

    def header(name: str, old: str, new: str) -> Tree:
        return whole | {"headers": lower | {name: lower[name].replace(old, new)}}

    cases: list[tuple[str, Tree, str]] = [
        ("another method", whole | {"method": "PUT"}, "signature"),
        ("another path", whole | {"path": PATH + "/"}, "signature"),
        ("another body", whole | {"body": "{}"}, "content-digest"),
        ("another nonce", header("signature-input", NONCE, "00" * 16), "signature"),
        ("another time", header("signature-input", str(CREATED), "1"), "signature"),
        (
            "a time spelled otherwise",
            header("signature-input", "created=", "created=0"),
            "signature",
        ),
        ("less covered", header("signature-input", ' "@path"', ""), "signature-input"),
        (
            "another algorithm",
            header("signature-input", key.public_key.algorithm, "none"),
            "signature-input",
        ),
        ("no signature", whole | {"headers": lower | {"signature": f"{httpsig.LABEL}=::"}}, "signature"),
    ]
    return {
        "public_key_hex": key.public_key.raw.hex(),
        "sound": [{"request": whole, "signature_base": httpsig.signature_base(covered, params).decode()}],
        "refused": [{"why": why, "request": request, "field": field} for why, request, field in cases],
    }


_PICTURE = TensorSpec(name="image", dtype=Dtype.UINT8, shape=(None, None, None, 3), kind=Kind.IMAGE)
_RESIZE = Resize(input="image", height=8, width=8, method=Method.BILINEAR_ANTIALIAS)
_FETCH = "installs[0].fetches[0].sha256"


def _pae(payload: bytes) -> bytes:
    """What a DSSE signature is over (protocol of DSSE v1)."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _changed(tree: Tree, place: str, value: object) -> bytes:
    copy: Any = json.loads(json.dumps(tree))
    holder = copy
    *way, last = place.split(".")
    for step in way:
        holder = holder[int(step) if step.isdecimal() else step]
    holder[last] = value
    return _compact(copy)


def _twice(tree: Tree, name: str, role: str) -> bytes:
    return _changed(tree, "files", [*tree["files"], tree["files"][0] | {"name": name, "role": role}])


def _compact(tree: object) -> bytes:
    return msgspec.json.encode(tree)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    write()
