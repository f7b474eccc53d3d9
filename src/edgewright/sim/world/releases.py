"""Releases for simulated fleets: signed and approved by real keys, with small files that stand for models."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from edgewright.client.keys import OperatorKeys
from edgewright.contract.api import (
    Lineage,
    Precision,
    ReleaseDraft,
    ReleaseRecord,
    VariantRecord,
    VersionRecord,
)
from edgewright.contract.api import Role as UserRole
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.app import Hub
from edgewright.hub.govern import Principal
from edgewright.hub.registry import table

AUTHOR = Principal(name="ada", roles=(UserRole.ENGINEER,))
OPERATOR = Principal(name="otto", roles=(UserRole.OPERATOR,))
APPROVER = Principal(name="bob", roles=(UserRole.APPROVER,))
TARGET = "cpu-fp32"
CONTRACT = Contract(
    inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 4)),),
    outputs=(TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 2)),),
)


@dataclass(frozen=True)
class Made:
    """A version of a model, with a model file of so many bytes."""

    model: str
    version: int
    size_bytes: int = 2000


def build(hub: Hub, made: Made) -> ReleaseRecord:
    """Register a version with one variant, and build its release; nobody has signed or approved it yet."""
    content = f"{made.model}@{made.version} ".encode()
    data = (content * (made.size_bytes // len(content) + 1))[: made.size_bytes]
    sha256, golden = hub.blobs.put_bytes(data), hub.blobs.put_bytes(b"golden " + content)
    record = _version(hub, made, sha256)
    with hub.db.write() as connection:
        _keep(connection, record)
        hub.registry.add_variant(connection, _variant(record, len(data), golden))
    return hub.packaging.build(AUTHOR, ReleaseDraft(model=made.model, version=made.version))


def publish(hub: Hub, release: ReleaseRecord, operator: OperatorKeys) -> ReleaseRecord:
    """Approve a release and sign it with the operator's keys."""
    hub.packaging.approve(APPROVER, release.model, release.counter)
    request = hub.packaging.signing(release.model, release.counter)
    drafts = [draft for payload in request.payloads for draft in operator.sign(payload)]
    return hub.packaging.add_signatures(OPERATOR, release.model, release.counter, drafts)


def _version(hub: Hub, made: Made, sha256: str) -> VersionRecord:
    return VersionRecord(
        model=made.model,
        version=made.version,
        source_sha256=sha256,
        source_bytes=made.size_bytes,
        contract=CONTRACT,
        lineage=Lineage(seed=made.version),
        metrics={"accuracy": 0.9},
        task="classification",
        note="simulated",
        created_at=hub.clock(),
        created_by=AUTHOR.name,
    )


def _variant(version: VersionRecord, size_bytes: int, golden_sha256: str) -> VariantRecord:
    return VariantRecord(
        model=version.model,
        version=version.version,
        target=TARGET,
        recipe=("fp32",),
        sha256=version.source_sha256,
        size_bytes=size_bytes,
        source_bytes=size_bytes,
        accuracy=0.9,
        source_accuracy=0.9,
        parity=1.0,
        is_parity_kept=True,
        latency_p50_ms=1.0,
        latency_p95_ms=8.0,
        memory_bytes=1000,
        reasons=(),
        tools={},
        golden_sha256=golden_sha256,
        created_at=version.created_at,
        precision=Precision.FP32,
    )


def _keep(connection: sa.Connection, record: VersionRecord) -> None:
    if connection.scalar(sa.select(table.model.c.name).where(table.model.c.name == record.model)) is None:
        row = {"name": record.model, "owner": record.created_by, "task": record.task, "created_at": record.created_at}
        connection.execute(sa.insert(table.model).values(**row))
    row = {"model": record.model, "version": record.version, "source_sha256": record.source_sha256}
    row |= {"record": msgspec.to_builtins(record), "created_at": record.created_at}
    connection.execute(sa.insert(table.version).values(**row))
