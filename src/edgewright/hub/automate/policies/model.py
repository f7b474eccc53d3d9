"""Which steps go on without a person: pure rules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from edgewright.contract.api import Going, JudgingRules, Leave, LeaveState, Outcome, PolicyStep, StepPolicy
from edgewright.contract.errors import InvalidInput

MOST_NEEDED = 20
MOST_APPROVERS = 100


@dataclass(frozen=True)
class StepFacts:
    """What a step is about to do. `digest` covers it: what people approve is that and nothing else.

    `author` is who asked for the run, and whose approval does not count; `verdict` is what an evaluation said, if one
    has.
    """

    subject: str
    digest: str
    author: str
    run: str
    why: str
    verdict: Outcome | None = None


def may_go_on(policy: StepPolicy, step: PolicyStep, facts: StepFacts) -> Leave:
    """Whether a step may begin: GO, WAIT for people, or STOP.

    A challenger that its rules refuse stops whatever the policy says; one of which they are unsure waits for people.
    """
    if facts.verdict is Outcome.NO:
        return Leave(state=LeaveState.STOP, why=facts.why)
    if facts.verdict is Outcome.ASK:
        return Leave(state=LeaveState.WAIT, why=f"the rules leave it to people: {facts.why}")
    if policy.of(step) is Going.ASK:
        return Leave(state=LeaveState.WAIT, why=f"the policy asks people before {step}: {facts.why}")
    return Leave(state=LeaveState.GO, why=f"the policy lets {step} go on")


def is_stricter(new: StepPolicy, old: StepPolicy) -> bool:
    """Whether `new` lets nothing go on that `old` did not: such a policy needs nobody's consent."""
    loosened = [step for step in PolicyStep if old.of(step) is Going.ASK and new.of(step) is Going.GO]
    keeps_people = not old.approvers or (bool(new.approvers) and set(new.approvers) <= set(old.approvers))
    return not loosened and keeps_people and new.approvals_needed >= old.approvals_needed


def check_policy(policy: StepPolicy) -> None:
    """Raise InvalidInput unless people can ever give what the policy asks."""
    if not 1 <= policy.approvals_needed <= MOST_NEEDED:
        message = f"approvals_needed is {policy.approvals_needed}"
        raise InvalidInput(message, field="policy.approvals_needed", hint=f"Choose 1 to {MOST_NEEDED}.")
    if len(policy.approvers) > MOST_APPROVERS:
        raise InvalidInput(f"{len(policy.approvers)} approvers are named", field="policy.approvers")
    if policy.approvers and len(set(policy.approvers)) < policy.approvals_needed:
        message = f"{policy.approvals_needed} of {len(set(policy.approvers))} people cannot approve"
        raise InvalidInput(message, field="policy.approvers", hint="Name more people, or need fewer.")


def policy_digest(model: str, policy: StepPolicy, rules: JudgingRules) -> str:
    """SHA-256 over what people approve: what goes on, and the rules that promote."""
    return hashlib.sha256(msgspec.json.encode([model, policy, rules], order="deterministic")).hexdigest()
