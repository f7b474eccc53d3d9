"""What speaks against an install on this device: the machine itself, its disk, its other models, its apps."""

from __future__ import annotations

from pathlib import Path

from edgewright.agent import states
from edgewright.agent.disk import ModelFolder, apps, slots
from edgewright.agent.install import lack, misfit, no_room, unsatisfied
from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.machine.terms import unreadable
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Install


class Admission:
    """The objections to packages of one model. '' stands for none."""

    def __init__(self, model: str, equipment: Equipment) -> None:
        self._model = model
        self._equipment = equipment
        self._models = equipment.root / "models"

    def objection(self, install: Install, manifest: Manifest) -> str:
        """Why this device will not even fetch it."""
        if refusal := unreadable(install.windows):
            return refusal
        device = self._equipment.measure()
        if refusal := misfit(manifest, device) or self.lack(manifest):
            return refusal
        room = self._equipment.room(device.disk_free_bytes)
        return no_room(manifest, install.fetches, self.held_by_others(), room)

    def lack(self, manifest: Manifest) -> str:
        """Which other model, or which app, speaks against it now."""
        declared = apps.declarations(self._equipment.root, self._model)
        return lack(manifest, self._counter_of) or unsatisfied(manifest, declared)

    def held_by_others(self) -> dict[str, Path]:
        """Files of other models, by digest: what need not be fetched."""
        return slots.held_by_others(self._models, self._model)

    def _counter_of(self, model: str) -> int:
        """The release of another model that serves on this device; 0 for none."""
        record, _ = ModelFolder(self._models / model, model).load()
        active = states.active_slot(record)
        return active.counter if active else 0
