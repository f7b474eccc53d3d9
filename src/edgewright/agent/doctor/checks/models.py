"""The models: their records, their files, and what went wrong with them lately."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.agent import states
from edgewright.agent.disk import Condition, ModelFolder
from edgewright.agent.doctor.finding import Case, Finding, bad, ok, warn
from edgewright.agent.states import ModelRecord
from edgewright.agent.status import model_names

MANY_INTERRUPTIONS = 3


def records(case: Case) -> Iterator[Finding]:
    """Each model's record is there, twice and whole."""
    names = model_names(case.root)
    for name in names:
        _, condition = ModelFolder(case.root / "models" / name, name).load()
        if condition is Condition.MENDED:
            help = "The agent writes it again at its next start; if it comes back, the storage is failing."
            yield warn("records", f"one copy of the record of {name} is damaged or behind", help)
        elif condition is Condition.RECOVERED:
            help = "The agent goes by the slots at its next start. Check the storage: `dmesg`, smartctl, or a new card."
            yield bad("records", f"both copies of the record of {name} are damaged", help)
    if not names:
        yield warn("models", "no model is here yet", "Roll a release out to this device, or import a bundle.")
    else:
        yield ok("records", f"read those of {', '.join(names)}")


def files(case: Case) -> Iterator[Finding]:
    """What serves, and what could stand in, are byte for byte what was signed."""
    for name in model_names(case.root):
        folder = ModelFolder(case.root / "models" / name, name)
        record, _ = folder.load()
        if record.active:
            yield _slot(folder, record, record.active)
        spare = states.other(record.active)
        held = record.slots.get(spare) if record.active else None
        if held is not None and not folder.verifies(spare, held.manifest_sha256):
            help = (
                "It cannot be gone back to; the next release fills the slot anew. Check the storage if it comes back."
            )
            yield warn("files", f"the spare package of {name} has other bytes than were signed", help)


def troubles(case: Case) -> Iterator[Finding]:
    """Crashes, rejected releases, installs that come to no end."""
    for name in model_names(case.root):
        record, _ = ModelFolder(case.root / "models" / name, name).load()
        logs = f"`edgewright-agent logs --model {name}`"
        if record.stays:
            help = f"Release a version that works, or go back by hand; {logs} says what happened."
            yield bad("crashes", f"what serves of {name} keeps crashing, and there is nothing to go back to", help)
        elif record.crashes:
            what = f"{name} has crashed {len(record.crashes)} times within a day: {record.crashes[-1].reason}"
            yield warn("crashes", what, f"With the third it goes back by itself; {logs} says more.")
        for sha256, why in record.rejected.items():
            help = f"Once the reason is gone, offer it again at the hub, or a newer version; {logs} says more."
            yield warn("rejected", f"{name}: package {sha256[:12]} was rejected here: {why}", help)
        if record.candidate is not None and record.candidate.interruptions >= MANY_INTERRUPTIONS:
            what = f"the install of {name} was interrupted {record.candidate.interruptions} times, in {record.step}"
            yield warn(
                "installs", what, "Is the power steady? A release that takes the device down is given up by itself."
            )


def _slot(folder: ModelFolder, record: ModelRecord, slot: str) -> Finding:
    held = record.slots.get(slot)
    if held is not None and folder.verifies(slot, held.manifest_sha256):
        return ok("files", f"{folder.model} release {held.counter} is byte for byte what was signed")
    help = "Restart the agent: it goes to the spare slot, or fetches the release again. Check the storage: `dmesg`."
    return bad("files", f"the package of {folder.model} that serves has other bytes than were signed", help)
