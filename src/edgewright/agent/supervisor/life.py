"""One run of this agent as its check-ins tell of it: which it is, how often it has asked, and what its machine is."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from edgewright.agent.system import logs
from edgewright.contract.report import Capabilities, CheckIn

MEASURE_S = 3600.0
"""How often to look whether the machine is another by now."""
DISK_SHARE = 0.125
"""A change of the free disk below this share of it is no news."""


class Life:
    """`name` is random; the hub knows by it, and by the turns, when one key is in two places."""

    def __init__(self, name: str, measure: Callable[[], Capabilities], monotonic: Callable[[], float]) -> None:
        self._name = name
        self._measure = measure
        self._monotonic = monotonic
        self._turn = 0
        self._due_at = -math.inf
        self._machine: Capabilities | None = None
        self._told: Capabilities | None = None

    def sign(self, state: CheckIn) -> CheckIn:
        """The check-in as this life's next one. The machine goes with it until one that had it was `answered`."""
        self._turn += 1
        self._look()
        news = self._machine if self._machine is not None and is_news(self._machine, self._told) else None
        return msgspec.structs.replace(state, life=self._name, turn=self._turn, machine=news)

    def answered(self, state: CheckIn) -> None:
        """Hear that the hub has answered that check-in."""
        self._told = state.machine or self._told

    def _look(self) -> None:
        now = self._monotonic()
        if now < self._due_at:
            return
        self._due_at = now + MEASURE_S
        try:
            self._machine = self._measure()
        except OSError as error:  # no reason not to check in
            logs.warn("the machine cannot be measured", reason=str(error))


def is_news(machine: Capabilities, told: Capabilities | None) -> bool:
    """Whether the hub should hear of the machine, of which it knows what it was `told`."""
    if told is None:
        return True
    same_disk = msgspec.structs.replace(machine, disk_free_bytes=told.disk_free_bytes)
    moved_bytes = abs(machine.disk_free_bytes - told.disk_free_bytes)
    return same_disk != told or moved_bytes > DISK_SHARE * told.disk_free_bytes
