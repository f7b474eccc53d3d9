"""Reads a device's status from its folder, and asks the agent for what only it knows."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from importlib import metadata
from pathlib import Path

from edgewright import plugins
from edgewright.agent import states
from edgewright.agent.control import Live, NoAgent, ask
from edgewright.agent.disk import ModelFolder, NotEnrolled, Settings, Spool, apps, load_identity, settings
from edgewright.agent.link import device_time, read_clock
from edgewright.agent.runtimes import GROUP
from edgewright.agent.status.facts import AppFacts, Clock, Disk, LiveState, ModelFacts, ModelStatus, Status
from edgewright.agent.system.runtimes import remembered_versions
from edgewright.contract.errors import EdgewrightError, InvalidInput, NotFound
from edgewright.contract.tensors import TensorSpec

ASK_S = 5.0


def read_status(root: Path) -> Status:
    """The state of the agent in `root`; raises NotEnrolled where there is none."""
    identity = load_identity(root)
    if identity is None:
        raise NotEnrolled(f"{root} holds no identity", field="dir")
    kept = _settings(root)
    live, note = _ask(root)
    return Status(
        device=identity.device,
        name=identity.name,
        hub=identity.hub,
        labels=identity.labels,
        backlog=Spool(root / "spool").backlog() if (root / "spool").is_dir() else 0,
        models=tuple(_model_status(ModelFolder(root / "models" / name, name)) for name in model_names(root)),
        agent=live,
        agent_note=note,
        key=kept.key.partition("?")[0],
        disk=_disk(root, kept),
        clock=_clock(root),
        runtimes=remembered_versions(root) or _installed_runtimes(),
    )


def model_names(root: Path) -> list[str]:
    """The models that have a folder here."""
    folder = root / "models"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def model_status(root: Path, model: str) -> ModelStatus:
    """One model's; raises NotFound."""
    names = model_names(root)
    if model not in names:
        hint = f"There are: {', '.join(names)}." if names else "None is installed yet."
        raise NotFound(f"there is no model '{model}' on this device", field="model", hint=hint)
    return _model_status(ModelFolder(root / "models" / model, model))


def model_facts(root: Path, model: str) -> ModelFacts:
    """What the package that serves says of itself, and what apps require of it."""
    folder = ModelFolder(root / "models" / model, model)
    record, _ = folder.load()
    manifest = folder.manifest(record.active) if record.active else None
    declared = tuple(
        AppFacts(app=one.app, user=one.user, required=one.required) for one in apps.declarations(root, model)
    )
    priority = _settings(root).priorities.get(model, 0)
    if manifest is None:
        return ModelFacts(model=model, priority=priority, apps=declared)
    return ModelFacts(
        model=model,
        version=manifest.version,
        counter=manifest.counter,
        contract=manifest.contract.version,
        target=manifest.target,
        runtime=manifest.runtime.name,
        size_bytes=manifest.size_bytes,
        priority=priority,
        inputs=tuple(map(_tensor, manifest.contract.inputs)),
        outputs=tuple(map(_tensor, manifest.contract.outputs)),
        apps=declared,
    )


def _tensor(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.dtype}[{', '.join('?' if size is None else str(size) for size in spec.shape)}]"


def _ask(root: Path) -> tuple[LiveState | None, str]:
    try:
        return ask(root, Live(), LiveState, ASK_S), ""
    except NoAgent:
        return None, "no agent runs"
    except EdgewrightError as error:
        return None, error.message


def _settings(root: Path) -> Settings:
    try:
        return settings.load(root)
    except InvalidInput:  # doctor says more
        return Settings()


def _disk(root: Path, kept: Settings) -> Disk:
    usage = shutil.disk_usage(root)
    return Disk(
        free_bytes=usage.free,
        total_bytes=usage.total,
        models_bytes=folder_bytes(root / "models"),
        staging_bytes=folder_bytes(root / "staging"),
        spool_bytes=folder_bytes(root / "spool"),
        spool_max_bytes=kept.spool_max_bytes,
        logs_bytes=folder_bytes(root / "logs"),
    )


def folder_bytes(folder: Path) -> int:
    """What the files below take of the disk; files of several names count once."""
    seen: dict[tuple[int, int], int] = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(path, name))
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def _clock(root: Path) -> Clock:
    noted = read_clock(root)
    return Clock(shows=time.time(), last_signed=device_time(root).last_signed, ahead_s=noted.ahead_s if noted else None)


def _installed_runtimes() -> dict[str, str]:
    """Versions of those whose distribution is named after them, without importing any: for before the first start."""
    found: dict[str, str] = {}
    for name in plugins.names(GROUP):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _model_status(folder: ModelFolder) -> ModelStatus:
    record, _ = folder.load()
    active, candidate = states.active_slot(record), record.candidate
    spare = record.slots.get(states.other(record.active)) if record.active else None
    _, counter, outcome = record.ended[-1].rsplit(":", 2) if record.ended else ("", "0", "")
    return ModelStatus(
        model=record.model,
        version=active.version if active else 0,
        counter=active.counter if active else 0,
        floor=record.floor,
        step=record.step,
        slot=record.active,
        spare_counter=spare.counter if spare else 0,
        candidate_version=candidate.install.version if candidate else 0,
        candidate_counter=candidate.install.counter if candidate else 0,
        received_bytes=candidate.received_bytes if candidate else 0,
        full_bytes=candidate.full_bytes if candidate else 0,
        tries_left=candidate.tries_left if candidate else 0,
        interruptions=candidate.interruptions if candidate else 0,
        last_outcome=outcome,
        last_outcome_counter=int(counter) if counter.isdecimal() else 0,
        crashes=len(record.crashes),
        rejected=record.rejected,
    )
