"""The audit log: every change, by whom, chained and signed so that a later change of the past shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, Signature, Signer

from edgewright.contract.api import AuditEntry, AuditReport
from edgewright.hub.db import Database, to_record
from edgewright.hub.govern import table
from edgewright.hub.govern.model import GENESIS_SHA256, entry_sha256


class Audit:
    """Appends inside the transaction of the change itself: no change without its entry, no entry without its change."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], float],
        signer: Signer,
        past: Callable[[], Sequence[Key]] = tuple,
    ) -> None:
        """`past` tells the keys that signed before `signer`'s, the oldest first: what the roots of trust have named."""
        self._db = db
        self._clock = clock
        self._signer = signer
        self._past = past

    def record(self, connection: sa.Connection, actor: str, action: str, subject: str, **detail: Any) -> None:
        """Append one entry. `detail` is a JSON object without secrets and without samples."""
        last = connection.execute(_newest()).first()
        number, previous = (last.number + 1, last.sha256) if last else (1, GENESIS_SHA256)
        at = self._clock()
        digest = entry_sha256(previous, number, at, actor, action, subject, detail)
        row = {"number": number, "at": at, "actor": actor, "action": action, "subject": subject, "detail": detail}
        signature = self._signer.sign(digest.encode()).signature
        connection.execute(sa.insert(table.audit).values(**row, sha256=digest, signature=signature))

    def entries(self, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Entries whose number is above `after`, oldest first."""
        query = sa.select(table.audit).where(table.audit.c.number > after).order_by(table.audit.c.number).limit(limit)
        with self._db.read() as connection:
            return [to_record(row, AuditEntry) for row in connection.execute(query).mappings()]

    def about(self, subject: str, limit: int = 100) -> list[AuditEntry]:
        """At most `limit` entries about one thing, newest first."""
        of = table.audit.c
        query = sa.select(table.audit).where(of.subject == subject).order_by(of.number.desc()).limit(limit)
        with self._db.read() as connection:
            return [to_record(row, AuditEntry) for row in connection.execute(query).mappings()]

    def count(self) -> int:
        """How many entries there are."""
        with self._db.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table.audit)) or 0

    def verify(self) -> AuditReport:
        """Recompute the whole chain and check every signature; `problem` names the first entry that fails.

        Once a key has followed another, the one before signs nothing any more: a stolen one cannot go on with the log.
        """
        previous, number = GENESIS_SHA256, 0
        keys = [*self._past(), self._signer.public_key]
        with self._db.read() as connection:
            for row in connection.execute(sa.select(table.audit).order_by(table.audit.c.number)).mappings():
                number += 1
                problem = _chain_problem(row, previous, number)
                if not problem:
                    keys = _keys_from(keys, row["signature"], row["sha256"])
                    problem = "" if keys else f"entry {number} has a wrong signature"
                if problem:
                    return AuditReport(entries=number, is_verified=False, head_sha256=previous, problem=problem)
                previous = row["sha256"]
        return AuditReport(entries=number, is_verified=True, head_sha256=previous)


def _chain_problem(row: Any, previous: str, number: int) -> str:
    if row["number"] != number:
        return f"entry {number} is missing"
    parts = (row[name] for name in ("number", "at", "actor", "action", "subject", "detail"))
    return "" if entry_sha256(previous, *parts) == row["sha256"] else f"entry {number} was changed"


def _keys_from(keys: list[Key], signature: str, digest: str) -> list[Key]:
    """The keys from the first on whose signature this is; none if it is nobody's."""
    for index, key in enumerate(keys):
        try:
            key.verify_signature(Signature(key.keyid, signature), digest.encode())
        except UnverifiedSignatureError:
            continue
        return keys[index:]
    return []


def _newest() -> sa.Select[Any]:
    return sa.select(table.audit.c.number, table.audit.c.sha256).order_by(table.audit.c.number.desc()).limit(1)
