"""Whoever serves a model is told what has changed: workers directly, apps in process by policy.json."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.agent import states
from edgewright.agent.disk import ModelFolder, Policy, Sampling, durable, policy
from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.states import Active, ModelRecord


class Telling:
    """Says everything once. `serves_since_s` is the uptime at which the present package was named."""

    def __init__(self, folder: ModelFolder, equipment: Equipment) -> None:
        self._folder = folder
        self._equipment = equipment
        self._followed: tuple[Active | None, Active | None] | None = None
        self._told = _read(folder.path / policy.NAME)
        self.serves_since_s = equipment.uptime_s()
        self.sampling: Sampling | None = None

    def follow(self, record: ModelRecord) -> None:
        """Tell workers what shall serve, and what may stand in; nothing of that needs the disk."""
        followed = (states.active_package(record), states.stand_in(record))
        if followed == self._followed:
            return
        self._equipment.follow(self._folder.model, *followed)
        if self._followed is None or followed[0] != self._followed[0]:
            self.serves_since_s = self._equipment.uptime_s()
        self._followed = followed

    def announce(self, shadow_socket: Path | None) -> None:
        """Tell apps what the agent asks of them. Raises OSError where the disk gives trouble."""
        told = Policy(
            sampling=self._allowed(),
            shadow_socket=str(shadow_socket or ""),
            window_s=self._equipment.settings.window_s,
        )
        if told != self._told:
            durable.replace(self._folder.path / policy.NAME, policy.encode(told))
            self._told = told

    def _allowed(self) -> Sampling | None:
        """What the hub asks for, as far as this device's own settings go along."""
        settings = self._equipment.settings
        if self.sampling is None or not settings.send_samples:
            return None
        return msgspec.structs.replace(self.sampling, redactor=settings.redactor)


def _read(path: Path) -> Policy | None:
    try:
        return policy.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
