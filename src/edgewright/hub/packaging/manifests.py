"""From a measured variant to the manifest of its package: files, budgets, tolerance. No I/O but asking for sizes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edgewright.contract.api import VariantRecord, VersionRecord
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.manifest import Budgets, Dependency, File, Manifest, Role, digest
from edgewright.hub.optimize.targets import Target
from edgewright.hub.packaging.tolerances import tolerance
from edgewright.hub.registry import GOLDEN_FILE, MODEL_FILES, REFERENCE_FILE

MIN_LATENCY_P95_MS = 50.0
LATENCY_FACTOR = 10.0
MIN_MEMORY_BYTES = 128 * 1024**2
MEMORY_FACTOR = 2


def build_manifest(
    version: VersionRecord,
    variant: VariantRecord,
    target: Target,
    counter: int,
    size_of: Callable[[str], int],
    needs: tuple[Dependency, ...] = (),
    data: DataPolicy | msgspec.UnsetType = msgspec.UNSET,
) -> Manifest:
    """The manifest of one package; `size_of` gives a blob's length in bytes by its digest."""
    return Manifest(
        model=version.model,
        version=version.version,
        counter=counter,
        target=variant.target,
        hardware=target.arch,
        hardware_class=target.hardware_class,
        hardware_ids=target.hardware_ids,
        runtime=target.runtime,
        files=_files(version, variant, size_of),
        contract=version.contract,
        budgets=budgets(variant),
        tolerance=tolerance(variant, target.runtime),
        quantisation=variant.quantisation,
        recipe=variant.recipe,
        lineage_sha256=lineage_sha256(version),
        dependencies=needs,
        data=data,
    )


def budgets(variant: VariantRecord) -> Budgets:
    """What was measured, with room for a slower machine: tenfold the latency, twice the memory, and floors."""
    return Budgets(
        latency_p95_ms=max(LATENCY_FACTOR * variant.latency_p95_ms, MIN_LATENCY_P95_MS),
        memory_bytes=max(MEMORY_FACTOR * variant.memory_bytes, MIN_MEMORY_BYTES),
    )


def lineage_sha256(version: VersionRecord) -> str:
    """Binds the package to where its model comes from: source file, lineage and metrics."""
    what = [version.model, version.version, version.source_sha256, version.lineage, version.metrics]
    return digest(msgspec.json.encode(what, order="deterministic"))


def _files(version: VersionRecord, variant: VariantRecord, size_of: Callable[[str], int]) -> tuple[File, ...]:
    wanted = (
        (MODEL_FILES[variant.format], Role.MODEL, variant.sha256),
        (GOLDEN_FILE, Role.GOLDEN, variant.golden_sha256),
        (REFERENCE_FILE, Role.REFERENCE, version.reference_sha256),
    )
    made_here = tuple(
        File(name=name, role=role, sha256=sha256, size_bytes=size_of(sha256)) for name, role, sha256 in wanted if sha256
    )
    return made_here + version.files
