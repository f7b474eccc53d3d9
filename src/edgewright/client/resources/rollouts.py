"""Deliveries of releases to groups."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.client.transport import Transport
from edgewright.client.watching import Pace, changes
from edgewright.contract.api import RolloutDraft, RolloutPlan, RolloutRecord


class Rollouts:
    """Deliveries of releases to groups, in waves."""

    def __init__(self, hub: Transport, pace: Pace) -> None:
        self._hub = hub
        self._pace = pace

    def start(self, draft: RolloutDraft, *, dry_run: bool = False) -> RolloutRecord:
        """Begin with the first wave."""
        return self._hub.post("rollouts", body=draft, into=RolloutRecord, dry_run=dry_run)

    def plan(self, draft: RolloutDraft) -> RolloutPlan:
        """What starting it would mean, and what speaks against it; nothing is started."""
        return self._hub.post("rollouts", "plan", body=draft, into=RolloutPlan)

    def list(self) -> tuple[RolloutRecord, ...]:
        """All rollouts."""
        return self._hub.get("rollouts", into=tuple[RolloutRecord, ...])

    def get(self, id: str) -> RolloutRecord:
        """One rollout, with its waves and deployments."""
        return self._hub.get("rollouts", id, into=RolloutRecord)

    def watch(self, id: str, *, timeout_s: float | None = None) -> Iterator[RolloutRecord]:
        """Yield the rollout whenever it has changed, until it has ended."""
        return changes(
            lambda: self.get(id), lambda rollout: rollout.state.is_ended, pace=self._pace, timeout_s=timeout_s
        )

    def pause(self, id: str, reason: str = "", *, dry_run: bool = False) -> RolloutRecord:
        """Let no further device begin. A dry run of this or of the next two returns the rollout as it is."""
        return self._steer(id, "pause", reason, dry_run)

    def resume(self, id: str, reason: str = "", *, dry_run: bool = False) -> RolloutRecord:
        """Go on after a pause."""
        return self._steer(id, "resume", reason, dry_run)

    def abort(self, id: str, reason: str = "", *, dry_run: bool = False) -> RolloutRecord:
        """End it, and take its devices back."""
        return self._steer(id, "abort", reason, dry_run)

    def _steer(self, id: str, verb: str, reason: str, dry_run: bool) -> RolloutRecord:
        if dry_run:
            return self.get(id)
        return self._hub.post("rollouts", id, verb, body={"reason": reason}, into=RolloutRecord)
