"""Reads and writes changes of keys, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import KeyChangeDraft, KeyChangeState, SignatureDraft, SigningPayload
from edgewright.hub.packaging.keychanges import table
from edgewright.hub.packaging.keychanges.model import UnknownChange
from edgewright.hub.packaging.signatures import SignedPayload


@dataclass(frozen=True)
class Kept:
    """A change as it lies in its row."""

    number: int
    state: KeyChangeState
    draft: KeyChangeDraft
    author: str
    created_at: float


def next_number(connection: sa.Connection) -> int:
    """The number of the next change."""
    return int(connection.scalar(sa.select(sa.func.max(table.change.c.number))) or 0) + 1


def insert(connection: sa.Connection, kept: Kept) -> None:
    """Keep a new change."""
    row = {"number": kept.number, "state": kept.state, "draft": msgspec.to_builtins(kept.draft)}
    connection.execute(sa.insert(table.change).values(**row, author=kept.author, created_at=kept.created_at))


def read(connection: sa.Connection, number: int) -> Kept:
    """One change; raises UnknownChange."""
    row = connection.execute(sa.select(table.change).where(table.change.c.number == number)).mappings().first()
    if row is None:
        raise UnknownChange(f"there is no change {number}", field="number")
    return _kept(row)


def read_all(connection: sa.Connection, limit: int) -> list[Kept]:
    """The newest first."""
    query = sa.select(table.change).order_by(table.change.c.number.desc()).limit(limit)
    return [_kept(row) for row in connection.execute(query).mappings()]


def read_open(connection: sa.Connection) -> list[Kept]:
    """All that still await signatures."""
    query = sa.select(table.change).where(table.change.c.state == KeyChangeState.DRAFT)
    return [_kept(row) for row in connection.execute(query).mappings()]


def set_state(connection: sa.Connection, number: int, state: KeyChangeState) -> None:
    """Move a change to another state."""
    connection.execute(sa.update(table.change).where(table.change.c.number == number).values(state=state))


def replace_payloads(connection: sa.Connection, number: int, payloads: Iterable[SigningPayload]) -> None:
    """Keep what people shall sign. A signature over bytes that stay the same is kept, another is forgotten."""
    before = {piece.payload.role: piece for piece in pieces(connection, number)}
    connection.execute(sa.delete(table.signature).where(table.signature.c.number == number))
    connection.execute(sa.delete(table.payload).where(table.payload.c.number == number))
    for place, payload in enumerate(payloads):
        row = {"role": payload.role, "version": payload.version, "signed": payload.signed}
        rule = {"keyids": list(payload.keyids), "threshold": payload.threshold}
        connection.execute(sa.insert(table.payload).values(number=number, place=place, **row, **rule))
        old = before.get(payload.role)
        if old is not None and old.payload.signed == payload.signed:
            for draft in old.signatures:
                add_signature(connection, number, draft)


def add_signature(connection: sa.Connection, number: int, draft: SignatureDraft) -> None:
    """Keep a signature; that of the same key again replaces it."""
    key = {"number": number, "role": draft.role, "keyid": draft.keyid}
    connection.execute(sa.delete(table.signature).where(*(table.signature.c[name] == key[name] for name in key)))
    connection.execute(sa.insert(table.signature).values(**key, version=draft.version, signature=draft.signature))


def pieces(connection: sa.Connection, number: int) -> list[SignedPayload]:
    """What people shall sign, in the order of the chain of trust, with the signatures so far."""
    query = sa.select(table.signature).where(table.signature.c.number == number).order_by(table.signature.c.keyid)
    signatures = [
        SignatureDraft(role=row.role, version=row.version, keyid=row.keyid, signature=row.signature)
        for row in connection.execute(query)
    ]
    query = sa.select(table.payload).where(table.payload.c.number == number).order_by(table.payload.c.place)
    return [
        SignedPayload(
            SigningPayload(
                role=row.role, version=row.version, signed=row.signed, keyids=tuple(row.keyids), threshold=row.threshold
            ),
            tuple(draft for draft in signatures if (draft.role, draft.version) == (row.role, row.version)),
        )
        for row in connection.execute(query)
    ]


def _kept(row: Any) -> Kept:
    return Kept(
        number=row["number"],
        state=KeyChangeState(row["state"]),
        draft=msgspec.convert(row["draft"], KeyChangeDraft),
        author=row["author"],
        created_at=row["created_at"],
    )
