"""Which models and pipelines are there, as the folder says now: manifests are read, packages are not opened."""

from __future__ import annotations

from pathlib import Path

from edgewright.agent import states
from edgewright.agent.disk import ModelFolder, pipelines, slots
from edgewright.agent.disk.pipelines import PipelineSpec
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.manifest import Manifest, is_plain_name

SOCKETS = "run"

Stamp = tuple[int, int, int] | None


class Folder:
    """The agent's folder, seen by the gateway: a file is read again once it has been replaced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._manifests: dict[str, tuple[Stamp, Manifest | None]] = {}
        self._pipelines: tuple[Stamp, dict[str, PipelineSpec], str] = (None, {}, "")

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
        path = self.root / "models" / model
        seen = _stamp(path / slots.STATE)
        known = self._manifests.get(model)
        if known is None or seen is None or known[0] != seen:
            known = (seen, _read_manifest(path, model))
            if known[1] is not None:
                self._manifests[model] = known
        return known[1]

    def pipelines(self) -> dict[str, PipelineSpec]:
        """What pipelines.json says; nothing where it cannot be read (`trouble` says why)."""
        self._look()
        return self._pipelines[1]

    def trouble(self) -> str:
        """Why pipelines.json cannot be used, or ''."""
        self._look()
        return self._pipelines[2]

    def _look(self) -> None:
        seen = _stamp(self.root / pipelines.NAME)
        if seen == self._pipelines[0]:
            return
        try:
            self._pipelines = (seen, pipelines.load(self.root), "")
        except (InvalidInput, OSError) as error:
            self._pipelines = (seen, {}, str(error))


def _read_manifest(path: Path, model: str) -> Manifest | None:
    folder = ModelFolder(path, model)
    record, _ = folder.load()
    return folder.manifest(record.active) if states.active_slot(record) is not None else None


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
