"""Keeps policies, lets steps go on or has people asked, and stands in for people who approved a policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    ApprovalKind,
    ApprovalState,
    Going,
    JudgingRules,
    Leave,
    LeaveState,
    Outcome,
    PolicyStep,
    StepPolicy,
    StepPolicyRecord,
)
from edgewright.contract.errors import NotAllowed, NotFound
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.policies import table
from edgewright.hub.automate.policies.model import StepFacts, check_policy, is_stricter, may_go_on, policy_digest
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.govern import Approvals, Audit, People, Principal
from edgewright.hub.packaging import Packaging
from edgewright.hub.registry import check_name

UNSET = StepPolicy()
"""Where nobody has said anything: all goes on by its rules, and releases wait for people."""


class Policies:
    """Knows what may go on. `rules_of` gives a model's rules of promotion as they are now (raises NotFound)."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        people: People,
        approvals: Approvals,
        judging: Judging,
        packaging: Packaging,
        rules_of: Callable[[str], JudgingRules],
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._people = people
        self._approvals = approvals
        self._judging = judging
        self._packaging = packaging
        self._rules_of = rules_of
        events.subscribe("run.ended", self._on_run_ended)
        events.subscribe("packaging.release_built", self._on_release_built)

    def put(self, principal: Principal, model: str, policy: StepPolicy, *, dry_run: bool = False) -> StepPolicyRecord:
        """Set a model's policy. One that lets more go on waits until people approve it; the old one holds meanwhile.

        As many approve as the old policy asks for, or the new one if that is more. Whoever shall stand for releases is
        asked too, and again when the rules that promote have changed. Raises InvalidInput.
        """
        check_name(model, "model")
        check_policy(policy)
        known = self.policy(model)
        values: dict[str, Any] = {"policy": known.policy, "set_by": known.set_by, "set_at": known.set_at}
        values |= {"proposed": None, "proposed_by": "", "proposed_at": None}
        if policy == known.policy:
            pass  # what was proposed instead is withdrawn
        elif is_stricter(policy, known.policy):
            values |= {"policy": policy, "set_by": principal.name, "set_at": self._clock()}
        else:
            values |= {"proposed": policy, "proposed_by": principal.name, "proposed_at": self._clock()}
        if dry_run:
            return self._record(model, values)
        self._save(principal, model, values, policy)
        if policy != (known.proposed or known.policy):
            self._approvals.withdraw(id=_approval_id(model))  # who approved another one, approved that
        if values["proposed"] is not None or (policy.approve is Going.GO and not self.policy(model).stands):
            self._ask_for(principal, model, policy, known.policy)
        return self.policy(model)

    def policy(self, model: str) -> StepPolicyRecord:
        """The policy in force, and the one that waits; UNSET where nobody set one."""
        with self._db.read() as connection:
            query = sa.select(table.step_policy).where(table.step_policy.c.model == model)
            row = connection.execute(query).mappings().first()
        if row is None:
            return StepPolicyRecord(model=model, policy=UNSET, digest=self._digest(model, UNSET))
        values = dict(row) | {"policy": msgspec.convert(row["policy"], StepPolicy)}
        values["proposed"] = msgspec.convert(row["proposed"], StepPolicy) if row["proposed"] else None
        return self._record(model, values)

    def leave(self, model: str, step: PolicyStep, facts: StepFacts) -> Leave:
        """Whether a step may begin; where people decide, they are asked, and their answer is told when it is there.

        To be asked again and again, each time the event `govern.approval` comes, while it says WAIT.
        """
        policy = self.policy(model).policy
        leave = may_go_on(policy, step, facts)
        if leave.state is not LeaveState.WAIT:
            return leave
        asked = self._approvals.ask(
            ApprovalKind(step.value),
            facts.subject,
            facts.digest,
            model=model,
            author=facts.author,
            why=leave.why,
            needed=policy.approvals_needed,
            approvers=policy.approvers,
            run=facts.run,
        )
        if asked.state is ApprovalState.APPROVED:
            names = ", ".join(vote.user for vote in asked.votes if vote.counts)
            return Leave(state=LeaveState.GO, why=f"approved by {names}", approval=asked.id)
        if asked.state is ApprovalState.REJECTED:
            return Leave(state=LeaveState.STOP, why=f"rejected by {asked.reason}", approval=asked.id)
        return Leave(state=LeaveState.WAIT, why=leave.why, approval=asked.id)

    def _ask_for(self, principal: Principal, model: str, policy: StepPolicy, old: StepPolicy) -> None:
        opened = [str(step) for step in PolicyStep if old.of(step) is Going.ASK and policy.of(step) is Going.GO]
        if policy.approve is Going.GO and "approve" not in opened:
            opened.append("approve")
        self._approvals.ask(
            ApprovalKind.POLICY,
            model,
            self._digest(model, policy),
            model=model,
            author=principal.name,
            why=f"lets go on without a person: {', '.join(opened) or 'what other people were to approve'}",
            needed=max(old.approvals_needed, policy.approvals_needed),
            approvers=old.approvers,
        )

    def _record(self, model: str, values: dict[str, Any]) -> StepPolicyRecord:
        """What was proposed is in force once people have approved it, with the rules as they are now."""
        proposed: StepPolicy | None = values["proposed"]
        stands = self._standing(model, proposed or values["policy"])
        if proposed is not None and stands:
            values = values | {"policy": proposed, "set_by": values["proposed_by"], "set_at": values["proposed_at"]}
            values |= {"proposed": None, "proposed_by": ""}
        in_force: StepPolicy = values["policy"]
        return StepPolicyRecord(
            model=model,
            policy=in_force,
            digest=self._digest(model, in_force),
            set_by=values["set_by"],
            set_at=values["set_at"],
            stands=stands if values["proposed"] is None and in_force.approve is Going.GO else (),
            proposed=values["proposed"],
            proposed_by=values["proposed_by"],
        )

    def _standing(self, model: str, policy: StepPolicy) -> tuple[str, ...]:
        """Who has approved this very policy, with the rules as they are now; nobody before there are enough."""
        try:
            asked = self._approvals.approval(_approval_id(model))
        except NotFound:
            return ()
        if asked.state is not ApprovalState.APPROVED or asked.digest != self._digest(model, policy):
            return ()
        return tuple(vote.user for vote in asked.votes if vote.counts and vote.is_yes)

    def _digest(self, model: str, policy: StepPolicy) -> str:
        return policy_digest(model, policy, self._rules(model))

    def _rules(self, model: str) -> JudgingRules:
        try:
            return self._rules_of(model)
        except NotFound:
            return JudgingRules()

    def _save(self, principal: Principal, model: str, values: dict[str, Any], policy: StepPolicy) -> None:
        row = {name: msgspec.to_builtins(value) for name, value in values.items() if name != "model"}
        with self._db.write() as connection:
            connection.execute(sa.delete(table.step_policy).where(table.step_policy.c.model == model))
            connection.execute(sa.insert(table.step_policy).values(model=model, **row))
            digest = self._digest(model, policy)
            self._audit.record(
                connection, principal.name, "policy.set", model, digest=digest, **msgspec.to_builtins(policy)
            )

    def _on_run_ended(self, event: Event) -> None:
        self._approvals.withdraw(run=event.subject)

    def _on_release_built(self, event: Event) -> None:
        """Those who approved the policy stand for a release whose version their rules have promoted."""
        model, counter, version = event.data["model"], event.data["counter"], event.data["version"]
        policy = self.policy(model)
        if policy.policy.approve is not Going.GO or not self._is_promoted(model, version):
            return
        for name in policy.stands:
            try:
                self._packaging.approve(self._people.named(name), model, counter)
            except (NotAllowed, NotFound):
                continue  # the author, or somebody who may approve no longer: others must
            with self._db.write() as connection:
                self._audit.record(
                    connection, "hub", "policy.stand_in", f"{model}/{counter}", user=name, digest=policy.digest
                )

    def _is_promoted(self, model: str, version: int) -> bool:
        """By the very rules that people have approved."""
        found = self._judging.of(model, version)
        return bool(found) and found[-1].verdict.outcome is Outcome.YES and found[-1].rules == self._rules(model)


def _approval_id(model: str) -> str:
    return f"{ApprovalKind.POLICY}:{model}"
