"""One model's folder on the device: the doubled record, the two slots, and what can be saved when records are lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec

from edgewright.agent import states
from edgewright.agent.disk import durable
from edgewright.agent.states import ModelRecord, SlotRecord
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import EdgewrightError, HostileInput
from edgewright.contract.manifest import Manifest
from edgewright.contract.wire import Word

STATE = "state.json"
BACKUP = "state.json.bak"
MANIFEST = "manifest.json"
COMMITTED = "committed"
FLOOR = "floor.json"
SLOTS = ("a", "b")


class Condition(StrEnum):
    """How the doubled record was found."""

    NEW = "new"
    WHOLE = "whole"
    MENDED = "mended"  # one copy was damaged, or a generation behind
    RECOVERED = "recovered"  # both were damaged


class StageFailed(EdgewrightError):
    """A file did not read back from the spare slot as it was written."""

    code = "stage_failed"
    hint = "The device's storage may be failing."


class _Floor(msgspec.Struct, frozen=True):
    floor: int
    sha256: str  # of the number's digits


class ModelFolder:
    """DIR/models/<model>: `save` and the slots' changes are durable when they return."""

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        self.model = model

    def load(self) -> tuple[ModelRecord, Condition]:
        """The newest record that is whole, or what the slots themselves tell where both copies are damaged.

        Raises OSError where that cannot be told for now: see `durable.read`.
        """
        copies = [_read_copy(self.path / name) for name in (STATE, BACKUP)]
        whole = [record for record in copies if record is not None and record.model == self.model]
        if whole:
            is_doubled = len(whole) == len(copies) and whole[0] == whole[1]
            newest = max(whole, key=lambda record: record.generation)
            return newest, Condition.WHOLE if is_doubled else Condition.MENDED
        if any((self.path / name).exists() for name in (STATE, BACKUP, *SLOTS)):
            return self._recover(), Condition.RECOVERED
        return ModelRecord(model=self.model), Condition.NEW

    def save(self, record: ModelRecord) -> ModelRecord:
        """Store the record as the next generation, first in its place, then as its double."""
        record = msgspec.structs.replace(record, generation=record.generation + 1)
        data = states.encode(record)
        durable.make_folder(self.path)
        durable.replace(self.path / STATE, data)
        durable.replace(self.path / BACKUP, data)
        return record

    def keep_floor(self, floor: int) -> None:
        """Note the floor apart from the record: a release that was given up later leaves no other trace of it."""
        said = str(floor).encode()
        durable.replace(self.path / FLOOR, msgspec.json.encode(_Floor(floor, manifests.digest(said))))

    def slot(self, slot: str) -> Path:
        """The folder of a slot."""
        return self.path / slot

    def manifest(self, slot: str) -> Manifest | None:
        """What a slot says that it holds, or None; raises OSError as `durable.read` does."""
        data = durable.read(self.slot(slot) / MANIFEST)
        try:
            return manifests.decode(data) if data is not None else None
        except HostileInput:
            return None

    def verifies(self, slot: str, manifest_sha256: str = "") -> bool:
        """Whether all of a slot's files are what its manifest says, and the manifest is the expected one.

        Raises OSError as `durable.read` does: then nothing is known.
        """
        manifest = self.manifest(slot)
        if manifest is None:
            return False
        folder = self.slot(slot)
        if manifest_sha256 and durable.digest(folder / MANIFEST) != manifest_sha256:
            return False
        return all(durable.digest(folder / file.name) == file.sha256 for file in manifest.files)

    def held(self, record: ModelRecord) -> dict[str, Path]:
        """The files in the slots that the record vouches for, by digest: what deltas may be based on."""
        files: dict[str, Path] = {}
        for slot in SLOTS:
            manifest = self.manifest(slot) if record.slots.get(slot) else None
            if manifest is not None:
                files |= {file.sha256: self.slot(slot) / file.name for file in manifest.files}
        return files

    def stage(self, slot: str, manifest_bytes: bytes, source: Callable[[str], Path]) -> None:
        """Fill a slot from the verified and synced files at `source(sha256)`, then read all back; raises StageFailed.

        The manifest goes first when a slot is emptied and comes last when it is filled: a slot that has one is whole.
        """
        self.clear(slot)
        folder = self.slot(slot)
        durable.make_folder(folder)
        for file in manifests.decode(manifest_bytes).files:
            durable.put(source(file.sha256), folder / file.name)
        durable.sync_folder(folder)
        durable.replace(folder / MANIFEST, manifest_bytes)
        if not self.verifies(slot, manifests.digest(manifest_bytes)):
            raise StageFailed(f"slot {slot} of {self.model} does not read back as it was written")

    def clear(self, slot: str) -> None:
        """Empty a slot."""
        folder = self.slot(slot)
        if not folder.is_dir():
            return
        for name in (COMMITTED, MANIFEST):
            durable.remove(folder / name)
        durable.sync_folder(folder)
        for name in os.listdir(folder):
            durable.remove(folder / name)
        durable.sync_folder(folder)

    def mark_committed(self, slot: str, deployment: str) -> None:
        """Note in the slot itself that it has passed its trial, and by which deployment it had come.

        It is all that is left to know that by if records are lost.
        """
        durable.replace(self.slot(slot) / COMMITTED, deployment.encode())

    def unmark_committed(self, slot: str) -> None:
        """Take the note back: a release that was given up must not come back by recovery."""
        durable.remove(self.slot(slot) / COMMITTED)
        durable.sync_folder(self.slot(slot))

    def _recover(self) -> ModelRecord:
        """A record from what the slots themselves hold.

        The newest whole slot that has passed its trial serves. The floor is the highest counter that was ever
        committed here as far as slots and the noted floor know (or that any slot names, where none was): it never
        becomes zero.
        """
        found = {slot: manifest for slot in SLOTS if (manifest := self.manifest(slot)) is not None}
        tried = {slot: found[slot] for slot in found if (self.slot(slot) / COMMITTED).exists()}
        whole = [slot for slot in tried if self.verifies(slot)]
        active = max(whole, key=lambda slot: tried[slot].counter, default="")
        return ModelRecord(
            model=self.model,
            active=active,
            slots={slot: self._slot_record(slot, tried[slot]) if slot in whole else None for slot in SLOTS},
            floor=max(_read_floor(self.path / FLOOR), *(manifest.counter for manifest in (tried or found).values()), 0),
        )

    def _slot_record(self, slot: str, manifest: Manifest) -> SlotRecord:
        return SlotRecord(
            counter=manifest.counter,
            version=manifest.version,
            manifest_sha256=manifests.digest(manifests.encode(manifest)),
            target=manifest.target,
            deployment=_read_word(self.slot(slot) / COMMITTED),
        )


def held_by_others(models: Path, model: str) -> dict[str, Path]:
    """The files in all other models' slots that their records vouch for, by digest."""
    files: dict[str, Path] = {}
    for path in models.iterdir() if models.is_dir() else ():
        if path.name != model and path.is_dir():
            folder = ModelFolder(path, path.name)
            files |= folder.held(folder.load()[0])
    return files


def read_record(path: Path) -> ModelRecord | None:
    """One copy of the record, or None where it is missing or damaged, or cannot be read for whatever reason."""
    try:
        return _read_copy(path)
    except OSError:
        return None


def _read_copy(path: Path) -> ModelRecord | None:
    data = durable.read(path)
    try:
        return states.decode(data) if data is not None else None
    except HostileInput:
        return None


def _read_floor(path: Path) -> int:
    """What `keep_floor` noted; 0 where nothing whole can be read."""
    try:
        noted = msgspec.json.decode(durable.read(path) or b"", type=_Floor)
    except (UnicodeDecodeError, msgspec.MsgspecError):
        return 0
    return noted.floor if manifests.digest(str(noted.floor).encode()) == noted.sha256 else 0


def _read_word(path: Path) -> str:
    """What `mark_committed` noted; '' where nothing can be read."""
    try:
        return msgspec.convert((durable.read(path) or b"").decode(), Word)
    except (UnicodeDecodeError, msgspec.ValidationError):
        return ""
