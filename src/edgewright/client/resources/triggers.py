"""Triggers: rules that start runs, and what became of each occasion."""

from __future__ import annotations

import secrets

from edgewright.client.transport import Transport
from edgewright.contract.api import FireDraft, OccasionRecord, OccasionState, TriggerDraft, TriggerRecord


class Triggers:
    """Rules that start runs of a model's pipeline."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def put(self, draft: TriggerDraft, *, dry_run: bool = False) -> TriggerRecord:
        """Set a trigger; set again, it keeps its history and its budget. A new webhook's `secret` is told this once."""
        return self._hub.post("triggers", body=draft, into=TriggerRecord, dry_run=dry_run)

    def list(self, model: str = "") -> tuple[TriggerRecord, ...]:
        """All triggers by name, or those of a model, each with its last decision."""
        return self._hub.get("triggers", into=tuple[TriggerRecord, ...], model=model)

    def get(self, name: str) -> TriggerRecord:
        """One trigger."""
        return self._hub.get("triggers", name, into=TriggerRecord)

    def history(self, name: str, *, limit: int = 50, state: OccasionState | str = "") -> tuple[OccasionRecord, ...]:
        """What became of its occasions and why, newest first; those in one state alone, if it is named."""
        return self._hub.get("triggers", name, "history", into=tuple[OccasionRecord, ...], limit=limit, state=state)

    def fire(self, name: str, why: str = "", *, key: str = "", dry_run: bool = False) -> OccasionRecord:
        """Ask for a run, within the limits: the record says what came of it. The same `key` again asks nothing new."""
        draft = FireDraft(why=why, key=key or secrets.token_hex(8))
        return self._hub.post("triggers", name, "fire", body=draft, into=OccasionRecord, dry_run=dry_run)

    def pause(self, name: str, reason: str = "", *, dry_run: bool = False) -> TriggerRecord:
        """Let it fire no more."""
        return self._hub.post("triggers", name, "pause", body={"reason": reason}, into=TriggerRecord, dry_run=dry_run)

    def resume(self, name: str, reason: str = "", *, dry_run: bool = False) -> TriggerRecord:
        """Let it fire again."""
        return self._hub.post("triggers", name, "resume", body={"reason": reason}, into=TriggerRecord, dry_run=dry_run)

    def new_secret(self, name: str, *, dry_run: bool = False) -> TriggerRecord:
        """Make another `secret` for its webhook, told this once; the former is good no more."""
        return self._hub.post("triggers", name, "secret", body={}, into=TriggerRecord, dry_run=dry_run)

    def remove(self, name: str, *, dry_run: bool = False) -> TriggerRecord:
        """Forget it, with its history; runs that it began go on."""
        return self._hub.delete("triggers", name, into=TriggerRecord, dry_run=dry_run)
