"""A hub's metadata in a test: a real repository, with its keys at hand to forge what their owner, or a thief, could."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import Metadata, Root, Snapshot, Timestamp

from edgewright.client.keys import OperatorKeys, ceremony
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput
from edgewright.contract.manifest import Budgets, Manifest, Runtime, Tolerance
from edgewright.contract.order import Install
from edgewright.contract.tensors import Contract
from edgewright.hub.govern import Keys
from edgewright.hub.packaging.repository import Repository
from edgewright.hub.packaging.signatures import SignedPayload

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Disk(dict):
    """The device's store, in memory."""

    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, data: bytes) -> None:
        self[name] = data


class Forge:
    """The published files of a hub, to be changed and signed by whoever has the keys."""

    def __init__(self, tuf: Path, keys: Keys, operator: OperatorKeys) -> None:
        self.tuf = tuf
        self.keys = keys
        self.operator = operator

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.tuf.iterdir()}

    def put(self, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            (self.tuf / name).write_bytes(data)

    def resign(self, name: str, signer: Signer, **changes) -> None:
        """Change a published file and sign it with `signer` alone."""
        metadata = Metadata.from_bytes((self.tuf / name).read_bytes())
        for field, value in changes.items():
            setattr(metadata.signed, field, value)
        metadata.sign(signer)
        (self.tuf / name).write_bytes(metadata.to_bytes())

    def next_root(self, names=("root-1", "root-2"), **changes) -> None:
        metadata = Metadata[Root].from_bytes(self.newest_root())
        metadata.signed.version += 1
        for field, value in changes.items():
            setattr(metadata.signed, field, value)
        metadata.signatures.clear()
        for name in names:
            metadata.sign(self.operator.signer(name), append=True)
        (self.tuf / f"{metadata.signed.version}.root.json").write_bytes(metadata.to_bytes())

    def replace_keys(self, *roles: str) -> list[CryptoSigner]:
        """Publish a root that names another key for each of `roles`, and return those keys."""
        root = Metadata[Root].from_bytes(self.newest_root()).signed
        signers = [CryptoSigner.generate_ed25519() for _ in roles]
        for role, signer in zip(roles, signers, strict=True):
            for keyid in list(root.roles[role].keyids):
                root.revoke_key(keyid, role)
            root.add_key(signer.public_key, role)
        self.next_root(keys=root.keys, roles=root.roles)
        return signers

    def newest_root(self) -> bytes:
        """The root with the highest version."""
        return max((int(name.partition(".")[0]), data) for name, data in self.files().items() if "root" in name)[1]

    def publish_snapshot(
        self, snapshot: Snapshot, expires: datetime | None = None, version: int = 0, signer: Signer | None = None
    ) -> None:
        """Let the hub's own online keys, or another snapshot key, publish a snapshot of their making."""
        timestamp = Metadata[Timestamp].from_bytes(self.files()["timestamp.json"])
        snapshot = copy.deepcopy(snapshot)
        snapshot.version = version or timestamp.signed.snapshot_meta.version + 1
        snapshot.expires = expires or snapshot.expires
        metadata = Metadata(snapshot)
        metadata.sign(signer or self.keys.snapshot)
        self.put({f"{snapshot.version}.snapshot.json": metadata.to_bytes()})
        meta = type(timestamp.signed.snapshot_meta).from_data(snapshot.version, metadata.to_bytes(), ["sha256"])
        risen = timestamp.signed.version + 1
        self.resign("timestamp.json", self.keys.timestamp, version=risen, snapshot_meta=meta)

    def newest_snapshot(self) -> Snapshot:
        """What is published now."""
        timestamp = Metadata[Timestamp].from_bytes(self.files()["timestamp.json"]).signed
        return Metadata[Snapshot].from_bytes(self.files()[f"{timestamp.snapshot_meta.version}.snapshot.json"]).signed


class Origin(Forge):
    """A real repository of a hub, with keys at hand to forge what its owner could."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "tuf", Keys(folder / "keys"), OperatorKeys(folder / "operator"))
        ceremony(folder / "operator", self.tuf, self.keys.public(), NOW)
        self.repository = Repository(self.tuf, self.keys.timestamp, self.keys.snapshot)
        self.repository.renew(NOW)

    def release(self, counter: int, model: str = "digits") -> Install:
        """Sign and publish a package, and say how an order would name it."""
        data = manifests.encode(a_manifest(model, counter))
        path = f"{model}/{counter}/cpu-int8.json"
        payloads = self.repository.draft(model, {path: (len(data), manifests.digest(data))}, NOW)
        pieces = [SignedPayload(payload, tuple(self.operator.sign(payload))) for payload in payloads]
        self.repository.publish(pieces, NOW)
        return Install(
            deployment="d",
            model=model,
            version=1,
            counter=counter,
            target_path=path,
            manifest_sha256=manifests.digest(data),
            fetches=(),
        )

    def fetch(self, name: str, max_bytes: int) -> bytes:
        data = self.repository.file(name)
        if len(data) > max_bytes:
            raise HostileInput(f"{name} is too long")
        return data


def a_manifest(model: str, counter: int) -> Manifest:
    return Manifest(
        model=model,
        version=1,
        counter=counter,
        target="cpu-int8",
        hardware=("x86_64",),
        runtime=Runtime(name="onnxruntime", minimum="1.17", below="2"),
        files=(),
        contract=Contract(inputs=(), outputs=()),
        budgets=Budgets(latency_p95_ms=50.0, memory_bytes=1),
        tolerance=Tolerance(rtol=0.0, atol=0.0, min_argmax_agreement=1.0),
        recipe=(),
        lineage_sha256="0" * 64,
    )
