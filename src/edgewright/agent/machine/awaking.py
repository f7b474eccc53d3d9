"""What a machine finds when it starts: the record, mended where the disk has suffered, and what comes next."""

from __future__ import annotations

from edgewright.agent import states
from edgewright.agent.disk import Condition, ModelFolder
from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.states import ModelRecord
from edgewright.agent.system import logs


def awake(folder: ModelFolder, equipment: Equipment) -> ModelRecord:
    """Find out what was going on, check that what shall serve can serve, and save what comes next."""
    loaded, condition = folder.load()
    if condition is Condition.RECOVERED:
        floor = loaded.floor
        logs.warn("both state records were damaged; recovered from the slots", model=folder.model, floor=floor)
        what = f"both records were damaged; recovered release {floor} from the slots"
        equipment.tell_fault(folder.model, "state_recovered", what)
    record = states.boot(_without_broken_slot(loaded, folder))
    if record != loaded or condition is not Condition.WHOLE:
        record = folder.save(record)
    return record


def is_good(record: ModelRecord, slot: str, folder: ModelFolder) -> bool:
    """Whether a slot holds what the record says, byte for byte."""
    held = record.slots[slot]
    return held is not None and folder.verifies(slot, held.manifest_sha256)


def _without_broken_slot(record: ModelRecord, folder: ModelFolder) -> ModelRecord:
    active = states.active_slot(record)
    if active is None or folder.verifies(record.active, active.manifest_sha256):
        return record
    logs.warn("the active slot does not verify", model=folder.model, slot=record.active)
    is_other_good = is_good(record, states.other(record.active), folder)
    return states.lose_slot(record, record.active, is_other_good=is_other_good)
