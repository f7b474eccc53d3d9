"""Policies and approvals: what goes on without a person, and what waits for people."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class PolicyStep(StrEnum):
    """What a policy decides on."""

    TRAIN = "train"
    PROMOTE = "promote"
    PACKAGE = "package"
    APPROVE = "approve"  # a release
    ROLL_OUT = "roll_out"


class Going(StrEnum):
    """What a policy says of a step."""

    GO = "go"
    ASK = "ask"


class StepPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which steps of a model's pipeline go on without a person: `[policy]` of edgewright.toml.

    What is asked takes `approvals_needed` people; `approvers` names them, or is empty for everybody with the role.
    Where `approve` says go, those who approved this policy stand for each release whose version was promoted.
    """

    train: Going = Going.GO
    promote: Going = Going.GO
    package: Going = Going.GO
    approve: Going = Going.ASK
    roll_out: Going = Going.GO
    approvals_needed: int = 1
    approvers: tuple[str, ...] = ()

    def of(self, step: PolicyStep) -> Going:
        """What it says of that step."""
        found: Going = getattr(self, step.value)
        return found


class StepPolicyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A model's policy as it is in force. `stands` are the people who approved it, and so stand for releases.

    `proposed` lets more go on than `policy` does, and waits for people as the approval 'policy:<model>'.
    """

    model: str
    policy: StepPolicy
    digest: str
    set_by: str = ""
    set_at: float | None = None
    stands: tuple[str, ...] = ()
    proposed: StepPolicy | None = None
    proposed_by: str = ""


class LeaveState(StrEnum):
    """Whether a step may begin."""

    GO = "go"
    WAIT = "wait"
    STOP = "stop"


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """What a step was told: `approval` names what waits for people, or "" where nobody was asked."""

    state: LeaveState
    why: str
    approval: str = ""


class ApprovalKind(StrEnum):
    """What waits for people."""

    TRAIN = "train"
    PROMOTE = "promote"
    PACKAGE = "package"
    ROLL_OUT = "roll_out"
    POLICY = "policy"
    RELEASE = "release"


class ApprovalState(StrEnum):
    """How far an approval is."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"  # what asked for it has ended


class VoteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said, of which digest. `counts` is false for the author's, and where the digest has changed."""

    user: str
    is_yes: bool
    digest: str
    at: float | None = None
    why: str = ""
    counts: bool = True


class ApprovalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits for people, or did. Its id is '<kind>:<subject>', such as 'promote:digits@3'.

    Votes are bound to `digest`: when that changes, they count no more. The author's never counts.
    """

    id: str
    kind: ApprovalKind
    model: str
    subject: str
    digest: str
    state: ApprovalState
    author: str
    why: str
    needed: int
    given: int
    asked_at: float
    may: tuple[str, ...] = ()  # who may approve, now
    votes: tuple[VoteRecord, ...] = ()
    run: str = ""
    reason: str = ""  # of a rejection


class VoteDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Approve or reject. `digest` is what was looked at: one that is no longer current is refused. "" takes any."""

    approval: str
    is_yes: bool
    digest: str = ""
    why: str = ""
