"""Whose word counts on what waits for people, and when there are enough: pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgewright.contract.api import ApprovalState, UserRecord, VoteRecord
from edgewright.contract.errors import Conflict, NotAllowed, NotFound
from edgewright.hub.govern.model import GRANTS, Permission

MAX_WHY_CHARS = 1000


class UnknownApproval(NotFound):
    code = "unknown_approval"
    hint = "`edgewright approval ls` lists what waits."


class StaleApproval(Conflict):
    """What was looked at is no longer what is asked."""

    code = "stale_approval"
    hint = "Look again: `edgewright approval show ID`."


class ApprovalSettled(Conflict):
    code = "approval_settled"
    hint = "`edgewright approval show ID` says how it ended."


class MayNotApprove(NotAllowed):
    code = "may_not_approve"
    hint = "`edgewright approval show ID` names who may."


def counting(votes: Iterable[VoteRecord], digest: str, author: str, may: Sequence[str]) -> tuple[VoteRecord, ...]:
    """The votes, each told whether it counts: of this very digest, by somebody who may, and not by the author."""
    return tuple(
        VoteRecord(
            user=vote.user,
            is_yes=vote.is_yes,
            digest=vote.digest,
            at=vote.at,
            why=vote.why,
            counts=vote.digest == digest and vote.user != author and vote.user in may,
        )
        for vote in votes
    )


def given(votes: Iterable[VoteRecord]) -> int:
    """How many people approve."""
    return len({vote.user for vote in votes if vote.counts and vote.is_yes})


def settled(votes: Sequence[VoteRecord], needed: int) -> ApprovalState:
    """One no rejects; enough people approve."""
    if any(vote.counts and not vote.is_yes for vote in votes):
        return ApprovalState.REJECTED
    return ApprovalState.APPROVED if given(votes) >= needed else ApprovalState.OPEN


def who_may(users: Iterable[UserRecord], approvers: Sequence[str]) -> tuple[str, ...]:
    """Who may approve: those with the permission, of the people that are named, or all where none is."""
    able = [user.name for user in users if any(Permission.APPROVE_RELEASES in GRANTS[role] for role in user.roles)]
    return tuple(sorted(name for name in able if not approvers or name in approvers))
