"""What waits for people: asked by rooms, answered by N of M of them, bound to a digest."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.api import ApprovalKind, ApprovalRecord, ApprovalState, UserRecord, VoteDraft, VoteRecord
from edgewright.contract.errors import InvalidInput
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import table
from edgewright.hub.govern.audit import Audit
from edgewright.hub.govern.model import Permission, Principal, require
from edgewright.hub.govern.voting import (
    MAX_WHY_CHARS,
    ApprovalSettled,
    MayNotApprove,
    StaleApproval,
    UnknownApproval,
    counting,
    given,
    settled,
    who_may,
)

MOST_SHOWN = 200


class Approvals:
    """Keeps what waits for people. `users` lists everybody, with their roles of now."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        users: Callable[[], list[UserRecord]],
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._users = users

    def ask(
        self,
        kind: ApprovalKind,
        subject: str,
        digest: str,
        *,
        model: str,
        author: str,
        why: str,
        needed: int = 1,
        approvers: tuple[str, ...] = (),
        run: str = "",
    ) -> ApprovalRecord:
        """What people say of this digest of the subject; the first time, and when the digest changes, they are asked.

        To ask the same again changes nothing, but for the run that waits: one that was withdrawn opens again.
        """
        id = f"{kind}:{subject}"
        facts = {"model": model, "digest": digest, "author": author, "why": why, "needed": needed, "run": run}
        with self._db.write() as connection:
            row = self._row(connection, id)
            is_back = row is not None and row["state"] == ApprovalState.WITHDRAWN
            if is_back:
                connection.execute(sa.delete(table.vote).where(table.vote.c.request == id))
            if row is None or is_back or row["digest"] != digest:
                fresh = {"state": ApprovalState.OPEN, "asked_at": self._clock(), "reason": ""}
                values = {"kind": kind, "subject": subject, "approvers": list(approvers), **facts, **fresh}
                connection.execute(sa.delete(table.approval_request).where(table.approval_request.c.id == id))
                connection.execute(sa.insert(table.approval_request).values(id=id, **values))
                self._audit.record(connection, "hub", "approval.ask", id, digest=digest, needed=needed)
                self._tell(connection, id, model, ApprovalState.OPEN, run)
            elif row["run"] != run:
                where = table.approval_request.c.id == id
                connection.execute(sa.update(table.approval_request).where(where).values(run=run))
            return self._read(connection, id)

    def vote(self, principal: Principal, draft: VoteDraft, *, dry_run: bool = False) -> ApprovalRecord:
        """Approve or reject what is asked now. With `dry_run` nothing is kept.

        Raises UnknownApproval, StaleApproval for another digest, ApprovalSettled, Forbidden, and MayNotApprove for
        its author and for who is not among the people named.
        """
        require(principal, Permission.APPROVE_RELEASES)
        check_why(draft.why)
        with self._db.write() as connection:
            record = self._read(connection, draft.approval)
            _check_vote(record, principal, draft)
            if not dry_run:
                self._keep(connection, record, principal, draft)
            return self._read(connection, draft.approval)

    def approval(self, id: str) -> ApprovalRecord:
        """One of them; raises UnknownApproval."""
        with self._db.read() as connection:
            return self._read(connection, id)

    def all(self, state: str = "", model: str = "") -> list[ApprovalRecord]:
        """What waits, or did, newest first, at most MOST_SHOWN."""
        of = table.approval_request.c
        query = sa.select(of.id).order_by(of.asked_at.desc(), of.id).limit(MOST_SHOWN)
        query = query.where(of.state == state) if state else query
        query = query.where(of.model == model) if model else query
        with self._db.read() as connection:
            users = self._users()
            return [self._read(connection, id, users) for id in list(connection.scalars(query))]

    def waiting(self) -> int:
        """How many wait for people."""
        query = sa.select(sa.func.count()).select_from(table.approval_request)
        with self._db.read() as connection:
            return connection.scalar(query.where(table.approval_request.c.state == ApprovalState.OPEN)) or 0

    def withdraw(self, *, run: str = "", id: str = "") -> None:
        """Nobody waits for those of a run that has ended. One by its `id` is taken back, also where it was approved."""
        of = table.approval_request.c
        open_ones = sa.and_(of.run == run, of.state == ApprovalState.OPEN)
        where = open_ones if run else sa.and_(of.id == id, of.state.in_((ApprovalState.OPEN, ApprovalState.APPROVED)))
        with self._db.write() as connection:
            for found in list(connection.scalars(sa.select(of.id).where(where))):
                why = f"{run} has ended" if run else "it was taken back"
                gone = {"state": ApprovalState.WITHDRAWN, "reason": why}
                connection.execute(sa.update(table.approval_request).where(of.id == found).values(**gone))
                self._audit.record(connection, "hub", "approval.withdraw", found, run=run)

    def _keep(self, connection: sa.Connection, record: ApprovalRecord, principal: Principal, draft: VoteDraft) -> None:
        key = {"request": record.id, "user": principal.name}
        connection.execute(sa.delete(table.vote).where(*(table.vote.c[name] == value for name, value in key.items())))
        said = {"is_yes": draft.is_yes, "digest": record.digest, "at": self._clock(), "why": draft.why}
        connection.execute(sa.insert(table.vote).values(**key, **said))
        action = "approval.approve" if draft.is_yes else "approval.reject"
        self._audit.record(connection, principal.name, action, record.id, digest=record.digest, why=draft.why)
        now = self._read(connection, record.id)
        state = settled(now.votes, now.needed)
        if state is not ApprovalState.OPEN:
            reason = "" if state is ApprovalState.APPROVED else f"{principal.name}: {draft.why or 'no reason given'}"
            where = table.approval_request.c.id == record.id
            connection.execute(sa.update(table.approval_request).where(where).values(state=state, reason=reason))
        self._tell(connection, record.id, record.model, state, record.run)

    def _tell(self, connection: sa.Connection, id: str, model: str, state: ApprovalState, run: str) -> None:
        self._events.record(connection, "govern.approval", id, approval=id, model=model, state=state.value, run=run)

    def _row(self, connection: sa.Connection, id: str) -> sa.RowMapping | None:
        query = sa.select(table.approval_request).where(table.approval_request.c.id == id)
        return connection.execute(query).mappings().first()

    def _read(self, connection: sa.Connection, id: str, users: list[UserRecord] | None = None) -> ApprovalRecord:
        row = self._row(connection, id)
        if row is None:
            raise UnknownApproval(f"nothing called '{id[:200]}' waits for people", field="approval")
        said = sa.select(table.vote).where(table.vote.c.request == id).order_by(table.vote.c.at, table.vote.c.user)
        kept = [
            VoteRecord(user=vote.user, is_yes=vote.is_yes, digest=vote.digest, at=vote.at, why=vote.why)
            for vote in connection.execute(said)
        ]
        able = who_may(self._users() if users is None else users, row["approvers"])
        votes = counting(kept, row["digest"], row["author"], able)
        return ApprovalRecord(
            id=id,
            kind=ApprovalKind(row["kind"]),
            model=row["model"],
            subject=row["subject"],
            digest=row["digest"],
            state=ApprovalState(row["state"]),
            author=row["author"],
            why=row["why"],
            needed=row["needed"],
            given=given(votes),
            asked_at=row["asked_at"],
            may=tuple(name for name in able if name != row["author"]),
            votes=votes,
            run=row["run"],
            reason=row["reason"],
        )


def check_why(why: str) -> None:
    """Raise InvalidInput for a reason that nobody would read."""
    if len(why) > MAX_WHY_CHARS or not why.isprintable():
        raise InvalidInput("the reason is too long, or not plain", field="why", hint=f"At most {MAX_WHY_CHARS}.")


def _check_vote(record: ApprovalRecord, principal: Principal, draft: VoteDraft) -> None:
    if record.state is not ApprovalState.OPEN:
        raise ApprovalSettled(f"{record.id} is {record.state}", field="approval")
    if draft.digest and draft.digest != record.digest:
        message = f"{record.id} is about {record.digest[:12]} now, not {draft.digest[:12]}"
        raise StaleApproval(message, field="digest")
    if principal.name == record.author:
        raise MayNotApprove(f"{principal.name} asked for {record.id} and does not count", field="user")
    if principal.name not in record.may:
        raise MayNotApprove(f"{principal.name} is not among those who may: {', '.join(record.may)}", field="user")
