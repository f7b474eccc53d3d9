"""Models, versions, variants and evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgewright.client.resources.data import Blobs
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
        file: Path,
        *,
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
        """Upload an ONNX file and register it as the model's next version.

        `files` go into every package under their own names: labels, assets.
        Without `contract` the hub infers one from the file, to which `refinement` adds what no file can say. A
        dry run uploads the file too, since the hub has to look into it, and registers nothing.
        """
        source = describe_file(file, file.name)
        extra = [(path, role, describe_file(path, path.name)) for path, role in files]
        self._blobs.put_files([(file, source), *((path, ref) for path, _, ref in extra)], on_progress)
        refinement = refinement or Refinement()
        draft = VersionDraft(
            source_sha256=source.sha256,
            contract=refine(contract, refinement) if contract is not None else None,
            refinement=refinement,
            snapshot=snapshot,
            lineage=lineage or Lineage(snapshot=snapshot),
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

    def evaluations(self, model: str) -> tuple[EvaluationRecord, ...]:
        """Challengers against champions."""
        return self._hub.get("models", model, "evaluations", into=tuple[EvaluationRecord, ...])

    def _register(self, model: str, draft: VersionDraft, *, dry_run: bool) -> VersionRecord:
        return self._hub.post("models", model, "versions", body=draft, into=VersionRecord, dry_run=dry_run)


def as_file(ref: FileRef, role: Role) -> File:
    """An uploaded file as it goes into packages."""
    return File(name=ref.path, role=role, sha256=ref.sha256, size_bytes=ref.size_bytes)
