"""Which package of a model is active on this device, and what the agent asks of apps: read from the disk alone."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.agent import states
from edgewright.agent.disk import Policy, slots
from edgewright.agent.disk import policy as policies
from edgewright.agent.states import ModelRecord

Stamp = tuple[int, int] | None


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that holds a package which has passed its trial."""

    folder: Path
    version: int
    counter: int
    manifest_sha256: str


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """The active package, and the spare one where it may stand in."""

    current: Installed
    spare: Installed | None


def read_active(model_dir: Path) -> Active | None:
    """The active package of the model in `model_dir`; None where nothing is installed, or nothing can be read."""
    for name in (slots.STATE, slots.BACKUP):
        if (record := slots.read_record(model_dir / name)) is not None:
            return _active(model_dir, record)
    return None


def read_policy(model_dir: Path) -> Policy:
    """What the agent asks for now; nothing special where it says nothing."""
    try:
        return policies.decode((model_dir / policies.NAME).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return Policy()


def stamp(path: Path) -> Stamp:
    """Changes whenever the file is replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _active(model_dir: Path, record: ModelRecord) -> Active | None:
    current = _installed(model_dir, record, record.active)
    if current is None:
        return None
    spare = states.other(record.active)
    stand_in = _installed(model_dir, record, spare)
    is_untried = record.candidate is not None and record.candidate.slot == spare
    if stand_in is None or is_untried or stand_in.manifest_sha256 in record.rejected:
        return Active(current=current, spare=None)
    return Active(current=current, spare=stand_in)


def _installed(model_dir: Path, record: ModelRecord, slot: str) -> Installed | None:
    found = record.slots.get(slot)
    if found is None or slot not in slots.SLOTS:
        return None
    return Installed(
        folder=model_dir / slot,
        version=found.version,
        counter=found.counter,
        manifest_sha256=found.manifest_sha256,
    )
