"""Which models and pipelines are there, as the folder says now: manifests are read, packages are not opened."""

from __future__ import annotations

from pathlib import Path

from edgewright.agent import states
from edgewright.agent.disk import ModelFolder, pipelines
from edgewright.agent.disk.pipelines import PipelineSpec
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.manifest import Manifest, is_plain_name

SOCKETS = "run"


class Folder:
    """The agent's folder, seen by the gateway."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def socket(self, model: str) -> Path:
        """Where the worker of `model` listens. Raises NotFound for what is no name of a model."""
        if not is_plain_name(model):
            raise NotFound(f"'{model[:80]}' is no name of a model", field="model")
        return self.root / SOCKETS / f"{model}.sock"

    def models(self) -> list[str]:
        """The installed models."""
        folder = self.root / "models"
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        return [name for name in names if self.manifest(name) is not None]

    def is_ready(self) -> bool:
        """Whether every installed model has its socket."""
        return all(self.socket(model).exists() for model in self.models())

    def manifest(self, model: str) -> Manifest | None:
        """The active package of `model`; None where there is none."""
        folder = ModelFolder(self.root / "models" / model, model)
        record, _ = folder.load()
        return folder.manifest(record.active) if states.active_slot(record) is not None else None

    def pipelines(self) -> dict[str, PipelineSpec]:
        """What pipelines.json says; nothing where it cannot be read (the page says why)."""
        try:
            return pipelines.load(self.root)
        except (InvalidInput, OSError):
            return {}

    def trouble(self) -> str:
        """Why pipelines.json cannot be used, or ''."""
        try:
            pipelines.load(self.root)
        except (InvalidInput, OSError) as error:
            return str(error)
        return ""
