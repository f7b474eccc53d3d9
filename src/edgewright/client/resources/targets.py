"""Targets: the kinds of hardware that a hub optimises for."""

from __future__ import annotations

from edgewright.client.transport import Transport
from edgewright.contract.api import TargetDraft, TargetRecord


class Targets:
    """Those of the hub's library, and those that its people have added."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def list(self) -> tuple[TargetRecord, ...]:
        """All targets, by id; `used_by` is told of single ones only."""
        return self._hub.get("targets", into=tuple[TargetRecord, ...])

    def get(self, target: str) -> TargetRecord:
        """One target, with what uses it."""
        return self._hub.get("targets", target, into=TargetRecord)

    def add(self, draft: TargetDraft, *, dry_run: bool = False) -> TargetRecord:
        """Keep a target of one's own."""
        return self._hub.post("targets", body=draft, into=TargetRecord, dry_run=dry_run)

    def remove(self, target: str, *, dry_run: bool = False) -> TargetRecord:
        """Forget a target of one's own that nothing uses; returns what it was."""
        return self._hub.delete("targets", target, into=TargetRecord, dry_run=dry_run)
