"""What is on this device, read from its folder without disturbing the agent."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.agent import states
from edgewright.agent.disk import ModelFolder, NotEnrolled, Spool, load_identity


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One model: what serves, what is on its way, what was rejected (manifest digests with reasons)."""

    model: str
    version: int
    counter: int
    floor: int
    step: str
    slot: str
    candidate_counter: int
    rejected: dict[str, str]
    interruptions: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The device."""

    device: str
    name: str
    hub: str
    labels: dict[str, str]
    backlog: int
    models: tuple[ModelStatus, ...]


def read_status(root: Path) -> Status:
    """The state of the agent in `root`; raises NotEnrolled where there is none."""
    identity = load_identity(root)
    if identity is None:
        raise NotEnrolled(f"{root} holds no identity", field="dir")
    folder, spool = root / "models", root / "spool"
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return Status(
        device=identity.device,
        name=identity.name,
        hub=identity.hub,
        labels=identity.labels,
        backlog=Spool(spool).backlog() if spool.is_dir() else 0,
        models=tuple(_model_status(ModelFolder(folder / name, name)) for name in names),
    )


def to_text(status: Status) -> str:
    """The status for people."""
    lines = [f"{status.name} ({status.device}) at {status.hub}; {status.backlog} records wait"]
    for model in status.models:
        serving = f"version {model.version}, release {model.counter}" if model.counter else "nothing yet"
        coming = f"; release {model.candidate_counter} in step {model.step}" if model.candidate_counter else ""
        lines.append(f"  {model.model}: {serving}{coming}")
    return "\n".join(lines)


def _model_status(folder: ModelFolder) -> ModelStatus:
    record, _ = folder.load()
    active, candidate = states.active_slot(record), record.candidate
    return ModelStatus(
        model=record.model,
        version=active.version if active else 0,
        counter=active.counter if active else 0,
        floor=record.floor,
        step=record.step,
        slot=record.active,
        candidate_counter=candidate.install.counter if candidate else 0,
        rejected=record.rejected,
        interruptions=candidate.interruptions if candidate else 0,
    )
