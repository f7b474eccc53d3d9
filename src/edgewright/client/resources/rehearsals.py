"""Rehearsals: rollouts played on a simulated copy of the fleet."""

from __future__ import annotations

from edgewright.client.transport import Transport
from edgewright.contract.api import RehearsalDraft, RehearsalRecord, RunRecord


class Rehearsals:
    """What a rollout would do, before it does it."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def start(self, draft: RehearsalDraft) -> RunRecord:
        """Begin to play; `runs.wait` follows the run, after which `get` has what was found."""
        return self._hub.post("rollouts", "rehearsals", body=draft, into=RunRecord)

    def get(self, id: str) -> RehearsalRecord:
        """What the rehearsal of that run found."""
        return self._hub.get("rollouts", "rehearsals", id, into=RehearsalRecord)
