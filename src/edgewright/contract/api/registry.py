"""Models, versions, variants and targets."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.manifest import File, Quantisation
from edgewright.contract.refinement import Refinement
from edgewright.contract.tensors import Contract


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version comes from."""

    snapshot: str = ""
    code_revision: str = ""
    params: dict[str, Any] = {}
    seed: int = 0
    environment: dict[str, str] = {}
    parent: int = 0  # the version it was trained from; 0 for none
    command: str = ""


class VersionDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A trained model to register. `source` is an uploaded ONNX blob.

    `files` are uploaded too, and go into every package of the version: labels, assets.
    """

    source_sha256: str
    contract: Contract | None = None  # None: inferred from the file, then refined
    refinement: Refinement = Refinement()
    snapshot: str = ""  # its hold-out measures variants; its training rows make the reference profile
    lineage: Lineage = Lineage()
    metrics: dict[str, float] = {}
    task: str = "classification"
    note: str = ""
    files: tuple[File, ...] = ()


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    version: int
    source_sha256: str
    source_bytes: int
    contract: Contract
    lineage: Lineage
    metrics: dict[str, float]
    task: str
    note: str
    created_at: float
    created_by: str
    reference_sha256: str = ""  # the reference profile's schema blob, "" without a snapshot
    files: tuple[File, ...] = ()  # beside the model: labels, assets


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    owner: str
    task: str
    latest: int
    created_at: float
    versions: tuple[VersionRecord, ...] = ()


class VariantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A version optimised for a target. `reasons` tells what the recipe did and left out, and why."""

    model: str
    version: int
    target: str
    recipe: tuple[str, ...]
    sha256: str
    size_bytes: int
    source_bytes: int
    accuracy: float
    source_accuracy: float
    latency_p50_ms: float
    latency_p95_ms: float
    memory_bytes: int
    parity: float  # largest relative error (fp32) or argmax agreement (int8) against the source
    is_parity_kept: bool
    reasons: tuple[str, ...]
    tools: dict[str, str]
    golden_sha256: str
    created_at: float
    quantisation: Quantisation | None = None
