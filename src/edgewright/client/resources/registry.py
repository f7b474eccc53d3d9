"""Models, versions, variants and evaluations."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.client.resources.data import Blobs
from edgewright.client.sources import ExportCommand, Source, prepare
from edgewright.client.transport import OnUpload, Transport, describe_file
from edgewright.contract.api import (
    EvaluationRecord,
    FileRef,
    Lineage,
    ModelRecord,
    VariantRecord,
    VersionDraft,
    VersionRecord,
)
from edgewright.contract.manifest import File, Role
from edgewright.contract.refinement import Refinement, refine
from edgewright.contract.tensors import Contract


class Models:
    """Named lines of immutable versions."""

    def __init__(self, hub: Transport, blobs: Blobs) -> None:
        self._hub = hub
        self._blobs = blobs

    def register(
        self,
        model: str,
        source: object,
        *,
        example: object = None,
        export: ExportCommand | None = None,
        contract: Contract | None = None,
        refinement: Refinement | None = None,
        snapshot: str = "",
        metrics: dict[str, float] | None = None,
        lineage: Lineage | None = None,
        task: str = "classification",
        note: str = "",
        files: Sequence[tuple[Path, Role]] = (),
        on_progress: OnUpload | None = None,
        dry_run: bool = False,
    ) -> VersionRecord:
        """Upload a model and register it as the model line's next version.

        `source` is the path of an ONNX or TFLite file; or, with `export`, of weights of which that command makes one
        here; or a fitted estimator of scikit-learn or a torch module, which becomes ONNX here, with `example` as a few
        rows of what it takes. Neither pickles nor code are sent. See `client.sources`, and what it raises.

        `files` go into every package under their own names: labels, assets.
        Without `contract` the hub infers one from the file, to which `refinement` adds what no file can say. A
        dry run uploads the file too, since the hub has to look into it, and registers nothing.
        """
        extra = [(path, role, describe_file(path, path.name)) for path, role in files]
        with tempfile.TemporaryDirectory(prefix="edgewright-source-") as folder:
            made = prepare(source, Path(folder), example=example, export=export)
            described = describe_file(made.path, made.path.name)
            self._blobs.put_files([(made.path, described), *((path, ref) for path, _, ref in extra)], on_progress)
        refinement = refinement or Refinement()
        draft = VersionDraft(
            source_sha256=described.sha256,
            contract=refine(contract, refinement) if contract is not None else None,
            refinement=refinement,
            snapshot=snapshot,
            lineage=_lineage(lineage or Lineage(snapshot=snapshot), made),
            metrics=metrics or {},
            task=task,
            note=note,
            files=tuple(as_file(ref, role) for _, role, ref in extra),
        )
        return self._register(model, draft, dry_run=dry_run)

    def list(self) -> tuple[ModelRecord, ...]:
        """All models, without their versions."""
        return self._hub.get("models", into=tuple[ModelRecord, ...])

    def get(self, model: str) -> ModelRecord:
        """A model with its versions."""
        return self._hub.get("models", model, into=ModelRecord)

    def version(self, model: str, version: int) -> VersionRecord:
        """One version."""
        return self._hub.get("models", model, "versions", version, into=VersionRecord)

    def variants(self, model: str, version: int) -> tuple[VariantRecord, ...]:
        """What a version was optimised into, as measured."""
        return self._hub.get("models", model, "versions", version, "variants", into=tuple[VariantRecord, ...])

    def evaluations(self, model: str, challenger: int = 0) -> tuple[EvaluationRecord, ...]:
        """Challengers against champions, oldest first; or those of one challenger."""
        return self._hub.get("models", model, "evaluations", into=tuple[EvaluationRecord, ...], challenger=challenger)

    def _register(self, model: str, draft: VersionDraft, *, dry_run: bool) -> VersionRecord:
        return self._hub.post("models", model, "versions", body=draft, into=VersionRecord, dry_run=dry_run)


def _lineage(known: Lineage, made: Source) -> Lineage:
    """With what made the source file of something else."""
    export = known.export if made.export is None else made.export
    return msgspec.structs.replace(known, environment={**known.environment, **made.environment}, export=export)


def as_file(ref: FileRef, role: Role) -> File:
    """An uploaded file as it goes into packages."""
    return File(name=ref.path, role=role, sha256=ref.sha256, size_bytes=ref.size_bytes)
