"""Deliveries of releases to groups."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.client.transport import Transport
from edgewright.client.watching import Pace, changes
from edgewright.contract.api import (
    DeploymentPage,
    MisfitPage,
    RollbackDraft,
    RollbackRecord,
    RolloutDraft,
    RolloutPlan,
    RolloutRecord,
)


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

    def left_out(self, draft: RolloutDraft, *, after: str = "", limit: int = 200) -> MisfitPage:
        """Some of the devices of its group that would get nothing, by id, and why; `after` asks for the next ones."""
        doors = ("rollouts", "plan", "misfits")
        return self._hub.post(*doors, body=draft, into=MisfitPage, after=after, limit=str(limit))

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

    def promote(self, id: str, reason: str = "", *, dry_run: bool = False) -> RolloutRecord:
        """Let the next wave begin, whatever the present one waits for."""
        return self._hub.post("rollouts", id, "promote", body={"reason": reason}, into=RolloutRecord, dry_run=dry_run)

    def roll_back(self, id: str, draft: RollbackDraft, *, dry_run: bool = False) -> RollbackRecord:
        """Take it, or one of its waves, back; a dry run says who can go back at once."""
        return self._hub.post("rollouts", id, "rollback", body=draft, into=RollbackRecord, dry_run=dry_run)

    def deployments(
        self, id: str, *, state: str = "", wave: int | None = None, after: str = "", limit: int = 200
    ) -> DeploymentPage:
        """Some of its deployments, in their order; `after` of a page asks for the next one."""
        asked = {"state": state, "wave": wave, "after": after, "limit": limit}
        given = {name: str(value) for name, value in asked.items() if value not in ("", None)}
        return self._hub.get("rollouts", id, "deployments", into=DeploymentPage, **given)

    def _steer(self, id: str, verb: str, reason: str, dry_run: bool) -> RolloutRecord:
        if dry_run:
            return self.get(id)
        return self._hub.post("rollouts", id, verb, body={"reason": reason}, into=RolloutRecord)
