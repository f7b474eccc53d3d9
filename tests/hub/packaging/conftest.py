"""A hub's packaging room with everything below it real: database, keys, ceremony, blobs, registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import sqlalchemy as sa
from onnx import TensorProto, helper, numpy_helper

from edgewright.client.keys import OperatorKeys, ceremony
from edgewright.contract.api import (
    FileRef,
    Lineage,
    Precision,
    ReleaseDraft,
    ReleaseRecord,
    Role,
    SnapshotDraft,
    SnapshotRecord,
    VariantRecord,
    VersionRecord,
)
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.data import Data
from edgewright.hub.db import Database
from edgewright.hub.events import Events, event_table
from edgewright.hub.govern import Audit, Keys, Principal
from edgewright.hub.optimize.targets import target
from edgewright.hub.packaging import Chain, ContentSignatures, Packaging, Repository
from edgewright.hub.provenance import Execution, Making, Provenance, optimisation
from edgewright.hub.registry import Blobs, Registry
from scenes.databases import new_database

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
CONTRACT = Contract(
    inputs=(TensorSpec(name="X", dtype=Dtype.FLOAT32, shape=(None, 64)),),
    outputs=(TensorSpec(name="Y", dtype=Dtype.FLOAT32, shape=(None, 64)),),
)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """The room under test and what it stands on."""

    db: Database
    events: Events
    audit: Audit
    clock: Clock
    registry: Registry
    blobs: Blobs
    repository: Repository
    packaging: Packaging
    provenance: Provenance
    snapshot: SnapshotRecord
    chain: Chain
    content: ContentSignatures
    keys: Keys
    operator: OperatorKeys
    folder: Path
    ada: Principal
    otto: Principal
    bob: Principal
    file_of: Callable[[int, type], bytes]  # a version's model file

    def add_version(self, number: int, model: str = "digits", targets: tuple[str, ...] = ("cpu-fp32", "cpu-int8")):
        """A version and its variants: real ONNX files that differ a little from one version to the next."""
        version = VersionRecord(
            model=model,
            version=number,
            source_sha256=self.blobs.put_bytes(onnx_file(number)),
            source_bytes=1,
            contract=CONTRACT,
            lineage=Lineage(snapshot=self.snapshot.id, seed=number),
            metrics={"accuracy": 0.9},
            task="classification",
            note="",
            created_at=self.clock(),
            created_by="ada",
            reference_sha256=self.blobs.put_bytes(b"reference of " + model.encode()),
        )
        self.registry._save(self.ada, version)
        with self.db.write() as connection:
            for target in targets:
                variant = self.variant(version, target)
                self.registry.add_variant(connection, variant)
                done = Execution(f"run-{version.version}-{target}", START, START)
                statement = optimisation(version, variant, self.snapshot, done, self.provenance.builder)
                self.provenance.record(connection, Making.OPTIMISATION, statement)
        return version

    def variant(self, version: VersionRecord, target: str) -> VariantRecord:
        data = self.file_of(version.version, np.int8 if "int8" in target else np.float32)
        facts: dict[str, Any] = {"accuracy": 0.9, "source_accuracy": 0.9, "parity": 1.0, "is_parity_kept": True}
        measured: dict[str, Any] = {"latency_p50_ms": 1.0, "latency_p95_ms": 8.0, "memory_bytes": 1000}
        return VariantRecord(
            model=version.model,
            version=version.version,
            target=target,
            recipe=("static int8 per-channel",) if "int8" in target else ("fp32",),
            sha256=self.blobs.put_bytes(data),
            size_bytes=len(data),
            source_bytes=version.source_bytes,
            reasons=(),
            tools={},
            golden_sha256=self.blobs.put_bytes(f"golden {version.model} {version.version} {target}".encode()),
            created_at=self.clock(),
            precision=Precision.INT8 if "int8" in target else Precision.FP32,
            **facts,
            **measured,
        )

    def build(self, version: int = 1, model: str = "digits") -> ReleaseRecord:
        return self.packaging.build(self.ada, ReleaseDraft(model=model, version=version))

    def sign(self, counter: int = 1, model: str = "digits") -> ReleaseRecord:
        request = self.packaging.signing(model, counter)
        drafts = [draft for payload in request.payloads for draft in self.operator.sign(payload)]
        return self.packaging.add_signatures(self.otto, model, counter, drafts)

    def happened(self) -> list[tuple[str, str]]:
        """Events so far: kind and subject."""
        with self.db.read() as connection:
            rows = connection.execute(
                sa.select(event_table.c.kind, event_table.c.subject).order_by(event_table.c.number)
            )
            return [(row.kind, row.subject) for row in rows if row.kind.startswith("packaging.")]

    def publish(self, version: int = 1, model: str = "digits") -> ReleaseRecord:
        counter = self.build(version, model).counter
        self.packaging.approve(self.bob, model, counter)
        return self.sign(counter, model)


def onnx_file(seed: int, dtype: type = np.float32) -> bytes:
    """A linear layer; another seed moves a few weights, as a short training would."""
    weights = np.random.default_rng(0).normal(size=(64, 64)) * 20
    weights[:, :8] += np.random.default_rng(seed).normal(size=(64, 8))
    product = helper.make_node("MatMul", ["X", "W"], ["Y"])
    graph = helper.make_graph(
        [product],
        "g",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 64])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 64])],
        [numpy_helper.from_array(weights.astype(dtype), "W")],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return model.SerializeToString()


def a_file(blobs: Blobs) -> FileRef:
    return FileRef(path="rows.csv", sha256=blobs.put_bytes(b"rows"), size_bytes=4)


@pytest.fixture
def house(tmp_path) -> House:
    db = new_database(tmp_path)
    clock = Clock()
    keys = Keys(tmp_path / "keys")
    events, audit = Events(db, clock), Audit(db, clock, keys.audit)
    blobs = Blobs(tmp_path / "blobs")
    data = Data(db, events, audit, clock, blobs)
    registry = Registry(db, events, audit, clock, blobs, data.rows)
    ceremony(tmp_path / "operator", tmp_path / "tuf", keys.public(), datetime.fromtimestamp(clock(), UTC))
    repository = Repository(tmp_path / "tuf", keys.timestamp, keys.snapshot)
    provenance = Provenance(db, clock, blobs, keys.audit, repository.audit_keys)
    chain, content = Chain(clock, registry, data, blobs, provenance), ContentSignatures(db, audit, clock, blobs)
    packaging = Packaging(db, events, audit, clock, registry, blobs, target, repository, keys.director, chain, content)
    packaging.renew()
    ada = Principal(name="ada", roles=(Role.ENGINEER, Role.APPROVER))
    return House(
        db=db,
        events=events,
        audit=audit,
        clock=clock,
        registry=registry,
        blobs=blobs,
        repository=repository,
        packaging=packaging,
        provenance=provenance,
        snapshot=data.create(ada, SnapshotDraft(dataset="digits", files=(a_file(blobs),))),
        chain=chain,
        content=content,
        keys=keys,
        operator=OperatorKeys(tmp_path / "operator"),
        folder=tmp_path,
        ada=ada,
        otto=Principal(name="otto", roles=(Role.OPERATOR,)),
        bob=Principal(name="bob", roles=(Role.APPROVER,)),
        file_of=onnx_file,
    )
