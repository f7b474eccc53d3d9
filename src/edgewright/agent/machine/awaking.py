"""What a machine finds when it starts: the record, mended where the disk has suffered, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.agent import states
from edgewright.agent.disk import Condition, ModelFolder
from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.states import ModelRecord, Step, candidate_of
from edgewright.agent.system import logs


@dataclass(frozen=True)
class Found:
    """What a machine goes on with: `record`, which is yet to be saved where `is_news`."""

    record: ModelRecord
    is_news: bool
    is_recovered: bool  # from the slots: both copies of the record were damaged


def awake(folder: ModelFolder) -> Found:
    """Find out what was going on and check that what shall serve can serve. Nothing is written.

    Raises OSError where that cannot be told for now.
    """
    loaded, condition = folder.load()
    record = _without_hollow_trial(states.boot(_without_broken_slot(loaded, folder)), folder)
    is_news = record != loaded or condition is not Condition.WHOLE
    return Found(record, is_news, is_recovered=condition is Condition.RECOVERED)


def tell_recovery(record: ModelRecord, equipment: Equipment) -> None:
    """Tell people that a record was made anew."""
    logs.warn("both state records were damaged; recovered from the slots", model=record.model, floor=record.floor)
    what = f"both records were damaged; recovered release {record.floor} from the slots"
    equipment.tell_fault(record.model, "state_recovered", what)


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


def _without_hollow_trial(record: ModelRecord, folder: ModelFolder) -> ModelRecord:
    """A full disk may have let the record go on to the trial, and not the slot: that is no fault of the candidate."""
    if record.step is not Step.TRIAL or is_good(record, candidate_of(record).slot, folder):
        return record
    return states.unstage(record)
