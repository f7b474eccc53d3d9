"""One list of all that waits for people, whichever room asked: steps, policies and releases."""

from __future__ import annotations

from edgewright.contract.api import (
    ApprovalKind,
    ApprovalRecord,
    ApprovalState,
    ReleaseRecord,
    ReleaseState,
    VoteDraft,
    VoteRecord,
)
from edgewright.contract.errors import NotFound
from edgewright.hub.db import Database
from edgewright.hub.govern import Approvals, People, Permission, Principal, check_why, require, who_may
from edgewright.hub.govern.voting import ApprovalSettled, StaleApproval, UnknownApproval
from edgewright.hub.packaging import Packaging

RELEASE = f"{ApprovalKind.RELEASE}:"


class Desk:
    """Where people see and answer what waits for them."""

    def __init__(self, db: Database, approvals: Approvals, people: People, packaging: Packaging) -> None:
        self._db = db
        self._approvals = approvals
        self._people = people
        self._packaging = packaging

    def all(self, state: str = "", model: str = "") -> list[ApprovalRecord]:
        """What waits, or has been answered, newest first."""
        able = who_may(self._people.users(), ())
        releases = [self._of_release(one, able) for one in self._packaging.releases(model)]
        found = [*self._approvals.all(state, model), *(one for one in releases if state in ("", one.state))]
        return sorted(found, key=lambda one: one.asked_at, reverse=True)

    def waiting(self) -> int:
        """How many steps and policies wait for people; releases tell of themselves."""
        return self._approvals.waiting()

    def approval(self, id: str) -> ApprovalRecord:
        """One of them; raises UnknownApproval."""
        if not id.startswith(RELEASE):
            return self._approvals.approval(id)
        return self._of_release(self._release(id), who_may(self._people.users(), ()))

    def vote(self, principal: Principal, draft: VoteDraft, *, dry_run: bool = False) -> ApprovalRecord:
        """Approve or reject; see Approvals.vote. To reject a release is to mark it bad, for good."""
        if not draft.approval.startswith(RELEASE):
            return self._approvals.vote(principal, draft, dry_run=dry_run)
        require(principal, Permission.APPROVE_RELEASES)
        check_why(draft.why)
        release = self._release(draft.approval)
        record = self.approval(draft.approval)
        if draft.digest and draft.digest != release.digest:
            message = f"{record.id} is about {release.digest[:12]}, not {draft.digest[:12]}"
            raise StaleApproval(message, field="digest")
        if draft.is_yes:
            self._packaging.approve(principal, release.model, release.counter, dry_run=dry_run)
        elif record.state is not ApprovalState.OPEN:
            raise ApprovalSettled(f"{record.id} is {record.state}", field="approval")
        elif not dry_run:
            reason = f"rejected by {principal.name}: {draft.why or 'no reason given'}"
            with self._db.write() as connection:
                self._packaging.mark_bad(connection, release.model, release.counter, reason, actor=principal.name)
        return self.approval(draft.approval)

    def _release(self, id: str) -> ReleaseRecord:
        model, _, counter = id.removeprefix(RELEASE).partition("/")
        if not (counter.isdecimal() and len(counter) < 10):
            raise UnknownApproval(f"nothing called '{id[:200]}' waits for people", field="approval")
        try:
            return self._packaging.release(model, int(counter))
        except NotFound as error:
            raise UnknownApproval(f"nothing called '{id[:200]}' waits for people", field="approval") from error

    def _of_release(self, release: ReleaseRecord, able: tuple[str, ...]) -> ApprovalRecord:
        state = ApprovalState.OPEN
        if len(release.approvals) >= release.approvals_needed:
            state = ApprovalState.APPROVED
        if release.state is ReleaseState.BAD:
            state = ApprovalState.REJECTED
        return ApprovalRecord(
            id=f"{RELEASE}{release.id}",
            kind=ApprovalKind.RELEASE,
            model=release.model,
            subject=release.id,
            digest=release.digest,
            state=state,
            author=release.author,
            why=release.note,
            needed=release.approvals_needed,
            given=len(release.approvals),
            asked_at=release.created_at,
            may=tuple(name for name in able if name != release.author),
            votes=tuple(VoteRecord(user=name, is_yes=True, digest=release.digest) for name in release.approvals),
            reason=release.bad_reason,
        )
