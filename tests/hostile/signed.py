"""Everything that is signed, made by its rightful signers, and the real door that it goes through.

Each object is tested against the strongest attacker that its own signature stands against: the snapshot names roles by
version alone, as a hub's stolen online keys could have it sign, so that no hash of a file saves the day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import CanonicalJSONSerializer

from edgewright.agent.trust import read_bundle_order, read_manifest, read_order
from edgewright.contract import httpsig
from edgewright.contract import manifest as manifests
from edgewright.contract.bundle import ORDER_TYPE
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.envelope import open_sealed, seal
from edgewright.contract.errors import HostileInput, NotAllowed
from edgewright.contract.manifest import Budgets, File, Manifest, Runtime, Tolerance
from edgewright.contract.model_signing import check_content, sign_content
from edgewright.contract.order import PAYLOAD_TYPE, Bench, Collect, Fetch, Install, Order, Rollback, Shadow
from edgewright.contract.report import Batch, Capabilities, EnrolRequest, Fault
from edgewright.contract.statements import PAYLOAD_TYPE as STATEMENT_TYPE
from edgewright.contract.statements import Resource, Statement, encode
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.contract.trusted import ONLINE_FIELD, RELEASE_FIELD, TrustedSet, role_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXPIRES = NOW + timedelta(days=365)
PATH = "digits/3/cpu-int8.json"
DEVICE, NONCE = "dev-0123456789abcdef", "6f" * 16
SKEW_S = 300.0


@dataclass(frozen=True)
class Signed:
    """Honest bytes, and the door: `accept` returns what the bytes were taken to say, or raises one of `refusals`.

    Two byte strings of the same meaning differ in nothing that anybody signed or acts upon: white space around
    metadata, the order of its keys, signatures that were not needed. Such mutants are harmless, not accepted.
    """

    name: str
    data: bytes
    accept: Callable[[bytes], object]
    donors: tuple[bytes, ...] = ()
    refusals: tuple[type[Exception], ...] = (HostileInput,)


@dataclass
class Hub:
    """The keys of a hub and of its people, the same in every run, and metadata as they sign it."""

    keys: dict[str, CryptoSigner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("root-1", "root-2", "root-3", "targets", "release-1", "release-2")
        for name in (*names, "timestamp", "snapshot", "director", "audit"):
            self.keys[name] = CryptoSigner(key_of(name))

    def root(self, version: int) -> bytes:
        """2 of 3 must sign, and do."""
        root = Root(version=version, expires=EXPIRES, consistent_snapshot=True)
        for name in ("root-1", "root-2", "root-3"):
            root.add_key(self.keys[name].public_key, "root")
        root.roles["root"].threshold = 2
        for name in ("targets", "timestamp", "snapshot"):
            root.add_key(self.keys[name].public_key, name)
        online = {name: self.keys[name].public_key for name in ("director", "audit")}
        root.unrecognized_fields[ONLINE_FIELD] = {name: {key.keyid: key.to_dict()} for name, key in online.items()}
        return self.signed(root, "root-1", "root-2")

    def timestamp(self) -> bytes:
        return self.signed(Timestamp(version=5, expires=EXPIRES, snapshot_meta=MetaFile(7)), "timestamp")

    def snapshot(self) -> bytes:
        meta = {"targets.json": MetaFile(2), f"{role_of('digits')}.json": MetaFile(4)}
        return self.signed(Snapshot(version=7, expires=EXPIRES, meta=meta), "snapshot")

    def targets(self) -> bytes:
        names = ("release-1", "release-2")
        keys = {self.keys[name].public_key.keyid: self.keys[name].public_key for name in names}
        role = DelegatedRole(role_of("digits"), list(keys), 2, True, paths=["digits/*/*"])
        targets = Targets(version=2, expires=EXPIRES, delegations=Delegations(keys, {role.name: role}))
        named = {keyid: key.to_dict() for keyid, key in keys.items()}
        targets.unrecognized_fields[RELEASE_FIELD] = {"threshold": 2, "keys": named}
        return self.signed(targets, "targets")

    def release(self, manifest: bytes) -> bytes:
        file = TargetFile.from_data(PATH, manifest, ["sha256"])
        return self.signed(Targets(version=4, expires=EXPIRES, targets={PATH: file}), "release-1", "release-2")

    def signed(self, part: Any, *names: str) -> bytes:
        metadata = Metadata(part)
        for name in names:
            metadata.sign(self.keys[name], append=True)
        return metadata.to_bytes()


def signed_objects() -> dict[str, Signed]:
    """Every kind of signed object, by name."""
    hub = Hub()
    files = {
        "root": hub.root(2),
        "timestamp": hub.timestamp(),
        "snapshot": hub.snapshot(),
        "targets": hub.targets(),
        "release": hub.release(manifest_bytes()),
    }
    first = TrustedSet.from_root(hub.root(1))
    stamped = first.update_timestamp(files["timestamp"], NOW)
    snapped = stamped.update_snapshot(files["snapshot"], NOW)
    delegating = snapped.update_targets(files["targets"], NOW)
    full = delegating.update_delegated(role_of("digits"), files["release"], NOW)
    doors: dict[str, Callable[[bytes], object]] = {
        "root": lambda data: _said(first.update_root(data).root),
        "timestamp": lambda data: _said(first.update_timestamp(data, NOW).timestamp),
        "snapshot": lambda data: _said(stamped.update_snapshot(data, NOW).snapshot),
        "targets": lambda data: _said(snapped.update_targets(data, NOW).roles["targets"]),
        "release": lambda data: _said(
            delegating.update_delegated(role_of("digits"), data, NOW).roles[role_of("digits")]
        ),
    }
    order = seal(order_payload(), PAYLOAD_TYPE, hub.keys["director"])
    carried = seal(order_payload(nonce="", rollbacks=(), collects=(), benches=()), ORDER_TYPE, hub.keys["director"])
    donors = (*files.values(), order, carried, hub.root(1), order_payload())
    objects = {name: Signed(name, files[name], doors[name], donors) for name in files}
    objects["recalled timestamp"] = Signed(
        "recalled timestamp",
        files["timestamp"],
        lambda data: _said(first.recall_timestamp(data).timestamp),
        donors,
    )
    objects["first root"] = Signed(
        "first root", hub.root(1), lambda data: _said(TrustedSet.from_root(data).root), donors
    )
    objects["order"] = Signed("order", order, lambda data: _order(data, full), donors)
    objects["carried order"] = Signed("carried order", carried, lambda data: _carried_order(data, full), donors)
    objects["manifest"] = Signed(
        "manifest",
        manifest_bytes(),
        lambda data: (read_manifest(data, an_install(manifest_bytes()), full), data),
        donors,
    )
    objects |= {one.name: one for one in (*_requests(), *_statements(hub))}
    return objects


def key_of(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"a key of tests: {name}".encode()).digest())


def _order(data: bytes, trusted: TrustedSet) -> object:
    return read_order(data, trusted, device=DEVICE, nonce=NONCE, now=NOW.timestamp(), skew_s=SKEW_S)


def _carried_order(data: bytes, trusted: TrustedSet) -> object:
    moment = NOW.timestamp()
    return read_bundle_order(data, trusted, device=DEVICE, after=moment - 60, now=moment, skew_s=SKEW_S)


def _said(signed: Root | Timestamp | Snapshot | Targets | None) -> bytes:
    """The canonical bytes that were signed."""
    return b"" if signed is None else CanonicalJSONSerializer().serialize(signed)


def manifest_bytes() -> bytes:
    """A package's manifest, as release keys vouch for it."""
    file = {"name": "model.onnx", "role": "model", "sha256": "ab" * 32, "size_bytes": 4096}
    manifest = Manifest(
        model="digits",
        version=3,
        counter=3,
        target="cpu-int8",
        hardware=("x86_64", "aarch64"),
        runtime=Runtime(name="onnxruntime", minimum="1.17", below="2"),
        files=(msgspec.convert(file, File),),
        contract=Contract(
            inputs=(
                TensorSpec(name="image", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.IMAGE, height=8, width=8),
            ),
            outputs=(TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL, names=("0", "1")),),
        ),
        budgets=Budgets(latency_p95_ms=50.0, memory_bytes=1 << 26),
        tolerance=Tolerance(rtol=1e-3, atol=1e-4, min_argmax_agreement=0.99),
        recipe=("static int8 per-channel",),
        lineage_sha256="cd" * 32,
    )
    return manifests.encode(manifest)


def an_install(manifest: bytes, **changes: Any) -> Install:
    """How an order names that package, with a delta to its model."""
    fetch = Fetch(base_sha256="11" * 32, result_sha256="ab" * 32, result_bytes=4096, sha256="22" * 32, size_bytes=512)
    install = Install(
        deployment="r1:dev",
        model="digits",
        version=3,
        counter=3,
        target_path=PATH,
        manifest_sha256=manifests.digest(manifest),
        fetches=(fetch,),
        shadow=Shadow(min_requests=50, min_agreement=0.95, max_wait_s=600.0),
        windows=("mon-fri 22:00-05:00", "sat,sun 00:00-24:00"),
        begin_by=NOW.timestamp() + 7200.0,
        lease_until=NOW.timestamp() + 3600.0,
    )
    return msgspec.structs.replace(install, **changes)


def a_bench(manifest: bytes) -> Bench:
    """How an order names that package to be measured."""
    install = an_install(manifest)
    names = ("model", "version", "counter", "target_path", "manifest_sha256", "fetches")
    facts = {name: getattr(install, name) for name in names}
    return Bench(request="bench-1-1", calls=1000, expires_at=NOW.timestamp() + 86400.0, **facts)


def order_payload(**changes: Any) -> bytes:
    """An order that uses every field."""
    order = Order(
        device=DEVICE,
        nonce=NONCE,
        issued_at=NOW.timestamp(),
        ttl_s=3600.0,
        installs=(an_install(manifest_bytes()),),
        rollbacks=(Rollback(deployment="r0:dev", model="digits", counter=2, reason="it fails"),),
        collects=(Collect(request="q1", model="digits", budget=40),),
        benches=(a_bench(manifest_bytes()),),
        poll_s=30.0,
    )
    return msgspec.json.encode(msgspec.structs.replace(order, **changes))


def _statements(hub: Hub) -> list[Signed]:
    """What others may verify: the bundle of OpenSSF Model Signing over a package, and an attestation (in-toto)."""
    signer = CryptoSigner(derive_private_key(0xED6E, SECP256R1()))
    manifest = manifest_bytes()
    bundle = sign_content(signer, manifest)
    resource = Resource(name="digits@3", digest={"sha256": "ab" * 32})
    statement = Statement(subject=(resource,), predicate_type="https://example.org/made/v1", predicate={"by": "press"})
    attestation = seal(encode(statement), STATEMENT_TYPE, hub.keys["audit"])
    audit = {hub.keys["audit"].public_key.keyid: hub.keys["audit"].public_key}
    return [
        Signed(
            "model signature",
            bundle,
            lambda data: check_content(data, manifest, signer.public_key),
            (attestation, manifest),
        ),
        Signed("attestation", attestation, lambda data: open_sealed(data, STATEMENT_TYPE, audit), (bundle, manifest)),
    ]


def _requests() -> list[Signed]:
    """A device's signed requests: enrolment, session and batch, each whole as one JSON text of its parts."""
    key = key_of("device")
    public = key.public_key().public_bytes_raw()
    machine = Capabilities(
        arch="x86_64",
        cores=4,
        ram_bytes=1 << 33,
        disk_free_bytes=1 << 35,
        runtimes={"onnxruntime": "1.23"},
        agent_version="1",
    )
    enrolment = msgspec.json.encode(EnrolRequest(claim="ewc_1", public_key=public, name="press", capabilities=machine))
    fault = Fault(id="f1", at=NOW.timestamp(), code="crash", message="it fell")
    bodies = {
        "enrolment": ("/device/v1/enrol", enrolment),
        "session": ("/device/v1/session", b"{}"),
        "batch": ("/device/v1/batch", msgspec.msgpack.encode(Batch(records=(fault,)))),
    }
    whole = {name: _request(key, path, body) for name, (path, body) in bodies.items()}
    return [
        Signed(f"request: {name}", data, _verifier(key), (*whole.values(), enrolment), (HostileInput, NotAllowed))
        for name, data in whole.items()
    ]


def _request(key: Ed25519PrivateKey, path: str, body: bytes) -> bytes:
    headers = httpsig.sign(
        "POST", path, body, key=SoftKey(key), keyid=DEVICE, nonce=NONCE, created=int(NOW.timestamp())
    )
    lower = {name.lower(): value for name, value in headers.items()}
    return json.dumps({"method": "POST", "path": path, "headers": lower, "body": body.decode("latin-1")}).encode()


def _verifier(key: Ed25519PrivateKey) -> Callable[[bytes], object]:
    """What was requested, and under which parameters; a mutant that is no request at all never reaches the door."""

    def accept(data: bytes) -> object:
        try:
            parts = msgspec.json.decode(data, type=_Parts)
            body = parts.body.encode("latin-1")
        except (ValueError, RecursionError) as error:
            raise HostileInput("no request") from error
        params = httpsig.verify(parts.method, parts.path, body, parts.headers, SoftKey(key).public_key)
        return parts.method, parts.path, body, params

    return accept


class _Parts(msgspec.Struct, forbid_unknown_fields=True):
    method: str
    path: str
    headers: dict[str, str]
    body: str
