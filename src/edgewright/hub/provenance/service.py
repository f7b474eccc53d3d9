"""Seals statements with the hub's audit key, keeps them as blobs, and finds and opens them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from securesystemslib.signer import Key, Signer

from edgewright.contract import statements
from edgewright.contract.envelope import open_sealed, seal
from edgewright.contract.errors import HostileInput
from edgewright.contract.statements import PAYLOAD_TYPE, Resource, Statement, TestResult
from edgewright.hub.db import Database
from edgewright.hub.provenance import table
from edgewright.hub.provenance.model import Making
from edgewright.hub.registry import Blobs


@dataclass(frozen=True)
class Attested:
    """A sealed statement that holds: the blob's digest, its bytes, and what it says."""

    kind: Making
    sha256: str
    envelope: bytes
    statement: Statement[statements.Provenance]

    @property
    def made_of(self) -> dict[str, str]:
        """SHA-256 by name of what went in."""
        return {one.name: one.sha256 for one in self.statement.predicate.build_definition.resolved_dependencies}


class Provenance:
    """What this hub saw. It can vouch for no more: what people sign is the digest of the package itself.

    `keys` gives all keys that ever sealed statements here: those that every root has named for it.
    """

    def __init__(
        self,
        db: Database,
        clock: Callable[[], float],
        blobs: Blobs,
        signer: Signer,
        keys: Callable[[], Iterable[Key]] = tuple,
    ) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock
        self._blobs = blobs
        self._signer = signer

    @property
    def builder(self) -> str:
        """This hub, as statements name it: by the key that seals them."""
        return f"urn:edgewright:hub:{self._signer.public_key.keyid}"

    def record(self, connection: sa.Connection, kind: Making, statement: Statement[statements.Provenance]) -> None:
        """Seal and keep a statement in this transaction; said of one execution, it is kept once."""
        execution = statement.predicate.run_details.metadata.invocation_id
        self._keep(connection, kind, statement.subject[0], execution, statements.encode(statement))

    def record_result(self, connection: sa.Connection, statement: Statement[TestResult], execution: str) -> str:
        """Seal and keep what a test said of a version in this transaction; returns the digest of the sealed blob."""
        return self._keep(connection, Making.EVALUATION, statement.subject[0], execution, statements.encode(statement))

    def results(self, name: str, subject_sha256: str) -> list[tuple[str, Statement[TestResult]]]:
        """Every test result about exactly this thing, oldest first, each with its blob; HostileInput for a bad one."""
        of = table.attestation.c
        query = sa.select(of.sha256).where(
            of.kind == Making.EVALUATION, of.name == name, of.subject_sha256 == subject_sha256
        )
        with self._db.read() as connection:
            blobs = list(connection.scalars(query.order_by(of.created_at, of.execution)))
        found = []
        for sha256 in blobs:
            payload = open_sealed(self._blobs.path(sha256).read_bytes(), PAYLOAD_TYPE, self._known_keys())
            found.append((sha256, statements.decode_test_result(payload)))
        return found

    def _keep(self, connection: sa.Connection, kind: Making, subject: Resource, execution: str, encoded: bytes) -> str:
        of = table.attestation.c
        key = {"kind": kind, "name": subject.name, "execution": execution}
        known = connection.scalar(sa.select(of.sha256).where(*(of[column] == value for column, value in key.items())))
        if known is not None:
            return str(known)
        sha256 = self._blobs.put_bytes(seal(encoded, PAYLOAD_TYPE, self._signer))
        row = {**key, "subject_sha256": subject.sha256, "sha256": sha256, "created_at": self._clock()}
        connection.execute(sa.insert(table.attestation).values(**row))
        return sha256

    def find(self, kind: Making, name: str, subject_sha256: str) -> Attested | None:
        """The newest statement about exactly this thing, or None. Raises HostileInput for one that does not hold."""
        of = table.attestation.c
        query = sa.select(of.sha256).where(of.kind == kind, of.name == name, of.subject_sha256 == subject_sha256)
        with self._db.read() as connection:
            sha256 = connection.scalar(query.order_by(of.created_at.desc(), of.execution).limit(1))
        if sha256 is None:
            return None
        envelope = self._blobs.path(sha256).read_bytes()
        statement = self.open(envelope)
        said = [(subject.name, subject.sha256) for subject in statement.subject]
        if said != [(name, subject_sha256)]:
            raise HostileInput(f"the statement is about {said}", field="subject")
        return Attested(kind=kind, sha256=sha256, envelope=envelope, statement=statement)

    def open(self, envelope: bytes) -> Statement[statements.Provenance]:
        """What a sealed statement says; raises HostileInput unless a key of this hub sealed it."""
        return statements.decode_provenance(open_sealed(envelope, PAYLOAD_TYPE, self._known_keys()))

    def _known_keys(self) -> dict[str, Key]:
        return {key.keyid: key for key in (*self._keys(), self._signer.public_key)}
