"""Key changes: drafts them on what is published, gathers signatures, and publishes when the thresholds are met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from edgewright.contract.api import (
    KeyChangeDraft,
    KeyChangeRecord,
    KeyChangeState,
    KeyEdit,
    KeySigningRequest,
    RoleRecord,
    RoleSigning,
    SignatureDraft,
    SigningPayload,
)
from edgewright.contract.errors import InvalidInput
from edgewright.contract.publickey import to_public
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.govern import Audit, Keys, Permission, Principal, require
from edgewright.hub.packaging.keychanges import records
from edgewright.hub.packaging.keychanges.model import ChangeIsClosed, NothingToChange, check_draft, roles_of
from edgewright.hub.packaging.keychanges.records import Kept
from edgewright.hub.packaging.model import StaleSignature
from edgewright.hub.packaging.repository import Repository
from edgewright.hub.packaging.signatures import SignedPayload

CHANGES_SHOWN = 100


class KeyChanges:
    """Who may sign what, and how that changes: the hub drafts and collects, and can sign none of it."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        repository: Repository,
        keys: Keys,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._repository = repository
        self._keys = keys

    def roles(self) -> list[RoleRecord]:
        """Every role as devices see it, with what is wrong with it; none before the ceremony."""
        online = self._repository.online_keys()
        now = datetime.fromtimestamp(self._clock(), UTC)
        return roles_of(self._repository.published(), online[-1] if online else {}, self._keys.public(), now)

    def changes(self) -> list[KeyChangeRecord]:
        """The newest first."""
        with self._db.read() as connection:
            return [self._record(connection, kept) for kept in records.read_all(connection, CHANGES_SHOWN)]

    def draft(self, principal: Principal, draft: KeyChangeDraft, *, dry_run: bool = False) -> KeySigningRequest:
        """Draft a change on what is published, and say what has to be signed for it. With `dry_run` nothing is kept.

        Raises InvalidInput, TooFewKeys, NothingToChange, Forbidden.
        """
        require(principal, Permission.CHANGE_KEYS)
        check_draft(draft)
        with self._db.read() if dry_run else self._db.write() as connection:
            number = records.next_number(connection)
            kept = Kept(number, KeyChangeState.DRAFT, draft, principal.name, self._clock())
            payloads = self._payloads(kept, dry_run=dry_run)
            if not payloads:
                raise NothingToChange("everything is so already", field="edits")
            pieces = [SignedPayload(payload, ()) for payload in payloads]
            if not dry_run:
                records.insert(connection, kept)
                records.replace_payloads(connection, number, payloads)
                self._tell(connection, principal.name, "draft", "drafted", kept)
        return KeySigningRequest(change=self._as_record(kept, pieces), payloads=payloads)

    def signing(self, number: int) -> KeySigningRequest:
        """What of a change awaits signatures, byte for byte, drafted again if a release took a version meanwhile.

        Raises UnknownChange, ChangeIsClosed.
        """
        with self._db.write() as connection:
            kept, pieces = self._open(connection, number)
        payloads = tuple(piece.payload for piece in pieces)
        return KeySigningRequest(change=self._as_record(kept, pieces), payloads=payloads)

    def add_signatures(
        self, principal: Principal, number: int, drafts: Sequence[SignatureDraft], *, dry_run: bool = False
    ) -> KeyChangeRecord:
        """Keep signatures that hold, and publish if that was all that was missing; a dry run only looks at them.

        Raises InvalidInput for one that does not hold or for none, StaleSignature for one over superseded metadata.
        """
        require(principal, Permission.CHANGE_KEYS)
        if not drafts:
            raise InvalidInput("there is no signature", field="signatures")
        with self._db.write() as connection:
            kept, pieces = self._open(connection, number)
            for draft in drafts:
                self._check_signature(draft, [piece.payload for piece in pieces])
            if dry_run:
                return self._as_record(kept, pieces)
            for draft in drafts:
                records.add_signature(connection, number, draft)
                facts = {"role": draft.role, "keyid": draft.keyid}
                self._audit.record(connection, principal.name, "keys.sign", str(number), **facts)
            self._events.record(connection, "packaging.key_change_signed", str(number), signatures=len(drafts))
            self._settle(connection, kept)
            return self._record(connection, records.read(connection, number))

    def drop(self, principal: Principal, number: int, *, dry_run: bool = False) -> KeyChangeRecord:
        """Withdraw a change that has not been published. Raises UnknownChange, ChangeIsClosed."""
        require(principal, Permission.CHANGE_KEYS)
        with self._db.write() as connection:
            kept = records.read(connection, number)
            _check_open(kept)
            if not dry_run:
                self._drop(connection, principal.name, kept)
            return self._record(connection, records.read(connection, number))

    def follow(self) -> list[str]:
        """Use the online keys that the newest root names; returns the roles for which it names none of this hub's.

        Called at every start: a crash may have come between the new root and the swap.
        """
        online = self._repository.online_keys()
        return self._keys.follow({name: set(keys) for name, keys in online[-1].items()}) if online else []

    def on_published(self, _event: Event) -> None:
        """A change was published, perhaps by another hub of this folder: use the keys that it names."""
        self.follow()

    def _open(self, connection: sa.Connection, number: int) -> tuple[Kept, list[SignedPayload]]:
        kept = records.read(connection, number)
        _check_open(kept)
        pieces = records.pieces(connection, number)
        if not all(self._repository.is_next(piece.payload) for piece in pieces):
            payloads = self._payloads(kept)
            if not payloads:
                raise ChangeIsClosed(f"change {number} has been overtaken: everything is so already", field="number")
            records.replace_payloads(connection, number, payloads)
            pieces = records.pieces(connection, number)
        return kept, pieces

    def _payloads(self, kept: Kept, *, dry_run: bool = False) -> tuple[SigningPayload, ...]:
        """Always drafted at the change's own time: what has not changed keeps its bytes and its signatures."""
        now = datetime.fromtimestamp(int(kept.created_at), UTC)
        edits = [*kept.draft.edits, *self._online_edits(kept.draft.online, dry_run)]
        return self._repository.draft_change(edits, now, renew=kept.draft.renew)

    def _online_edits(self, names: Sequence[str], dry_run: bool) -> list[KeyEdit]:
        online = self._repository.online_keys()
        edits = []
        for name in names:
            named = set(online[-1][name]) if online else set()
            key = self._keys.by_name[name].prepare(named, dry_run=dry_run)
            removed = tuple(sorted(named - {key.keyid}))
            edits.append(KeyEdit(role=name, add=(to_public(key),), remove=removed))
        return edits

    def _check_signature(self, draft: SignatureDraft, payloads: list[SigningPayload]) -> None:
        payload = next((payload for payload in payloads if payload.role == draft.role), None)
        if payload is None:
            raise InvalidInput(f"this change needs no signature of the role '{draft.role}'", field="role")
        if payload.version != draft.version:
            raise StaleSignature(f"{draft.role} is at version {payload.version}, not {draft.version}", field="version")
        if not self._repository.holds(draft, payloads):
            raise InvalidInput(f"the signature of key {draft.keyid[:12]} does not hold", field="signature")

    def _settle(self, connection: sa.Connection, kept: Kept) -> None:
        """Publish a change that has all that it needs, and use the online keys that it names."""
        pieces = records.pieces(connection, kept.number)
        payloads = [piece.payload for piece in pieces]
        if any(self._repository.missing(piece, payloads) for piece in pieces):
            return
        self._repository.publish(pieces, datetime.fromtimestamp(self._clock(), UTC))
        self.follow()
        records.set_state(connection, kept.number, KeyChangeState.PUBLISHED)
        self._tell(connection, "hub", "publish", "published", kept)

    def _drop(self, connection: sa.Connection, actor: str, kept: Kept) -> None:
        records.set_state(connection, kept.number, KeyChangeState.DROPPED)
        awaited = {name for one in records.read_open(connection) for name in one.draft.online}
        for name in set(kept.draft.online) - awaited:
            self._keys.by_name[name].discard()
        self._tell(connection, actor, "drop", "dropped", kept)

    def _tell(self, connection: sa.Connection, actor: str, action: str, happened: str, kept: Kept) -> None:
        roles = [edit.role for edit in kept.draft.edits] + list(kept.draft.online)
        facts = {"roles": roles, "renew": kept.draft.renew, "note": kept.draft.note}
        self._audit.record(connection, actor, f"keys.{action}", str(kept.number), **facts)
        self._events.record(connection, f"packaging.key_change_{happened}", str(kept.number), roles=roles)

    def _record(self, connection: sa.Connection, kept: Kept) -> KeyChangeRecord:
        return self._as_record(kept, records.pieces(connection, kept.number))

    def _as_record(self, kept: Kept, pieces: Sequence[SignedPayload]) -> KeyChangeRecord:
        payloads = [piece.payload for piece in pieces]
        is_open = kept.state is KeyChangeState.DRAFT
        return KeyChangeRecord(
            number=kept.number,
            state=kept.state,
            edits=kept.draft.edits,
            online=kept.draft.online,
            renew=kept.draft.renew,
            note=kept.draft.note,
            author=kept.author,
            created_at=kept.created_at,
            pieces=tuple(
                RoleSigning(
                    role=piece.payload.role,
                    version=piece.payload.version,
                    threshold=piece.payload.threshold,
                    keyids=piece.payload.keyids,
                    signed=tuple(draft.keyid for draft in piece.signatures),
                    missing=self._repository.missing(piece, payloads) if is_open else "",
                )
                for piece in pieces
            ),
        )


def _check_open(kept: Kept) -> None:
    if kept.state is not KeyChangeState.DRAFT:
        raise ChangeIsClosed(f"change {kept.number} is {kept.state}", field="number")
