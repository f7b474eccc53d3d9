"""Models, versions, variants and targets."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.api.optimization import ModelFormat, Place, Precision
from edgewright.contract.manifest import File, Quantisation
from edgewright.contract.refinement import Refinement
from edgewright.contract.tensors import Contract


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """The command that made a version's source of other weights, on its author's machine; the weights stayed there."""

    command: str
    weights: str  # the file's name
    weights_sha256: str


class StepTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the pipeline that led to a version. `digest` covers all that went in, `made` what came out."""

    name: str
    does: str
    digest: str
    made: str


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version comes from."""

    snapshot: str = ""
    code_revision: str = ""
    params: dict[str, Any] = {}
    seed: int = 0
    environment: dict[str, str] = {}
    parent: int = 0  # the version it was trained from; 0 for none
    command: str = ""
    export: Export | msgspec.UnsetType = msgspec.UNSET  # left out where there is none: packages bind these bytes
    steps: tuple[StepTaken, ...] | msgspec.UnsetType = msgspec.UNSET
    frozen: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET  # weights that are the parent's, to the bit


class VersionDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A trained model to register. Its source is an uploaded blob.

    `files` are uploaded too, and go into every package of the version: labels, assets.
    """

    source_sha256: str
    contract: Contract | None = None  # None: inferred from the file, then refined
    refinement: Refinement = msgspec.field(default_factory=Refinement)
    snapshot: str = ""  # its hold-out measures variants; its training rows make the reference profile
    lineage: Lineage = msgspec.field(default_factory=Lineage)
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
    hold_out_sha256: str = ""  # its hold-out's rows, counted by label, answer and score; "" where it has no labels
    files: tuple[File, ...] = ()  # beside the model: labels, assets
    format: ModelFormat = ModelFormat.ONNX


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    owner: str
    task: str
    latest: int
    created_at: float
    versions: tuple[VersionRecord, ...] = ()


class VariantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A version optimised for a target: the trial of a study that was chosen (`study` is "" before there were any).

    `reasons` tells what the recipe did and left out, and why; the places say where latency and memory come from.
    """

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
    format: ModelFormat = ModelFormat.ONNX
    study: str = ""
    trial: str = ""
    latency_place: Place = Place.HUB
    memory_place: Place = Place.HUB
    precision: Precision | None = None  # None: not kept in those days
