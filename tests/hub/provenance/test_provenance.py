"""Statements of what the hub made: in-toto's own library reads them, and nobody else can write them."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as TheirStatement
from securesystemslib.dsse import Envelope

from edgewright.contract import statements
from edgewright.contract.api import FileRef, Lineage, PipelineDraft, SnapshotRecord, VersionRecord
from edgewright.contract.envelope import seal
from edgewright.contract.errors import HostileInput
from edgewright.contract.statements import PAYLOAD_TYPE, PROVENANCE_TYPE
from edgewright.contract.tensors import Contract
from edgewright.hub.provenance import BUILD_TYPES, Execution, Making, Provenance, training
from edgewright.hub.provenance.table import attestation

CODE = (FileRef(path="train.py", sha256="c" * 64, size_bytes=9),)
PIPELINE = PipelineDraft(model="lines", dataset="lines", command="python train.py", code=CODE, code_revision="abc")
SNAPSHOT = SnapshotRecord(
    id="lines@1", dataset="lines", number=1, digest="d" * 64, files=(), parent="", note="", created_at=0, created_by=""
)


@pytest.fixture
def provenance(db, clock, blobs, keys) -> Provenance:
    return Provenance(db, clock, blobs, keys.audit)


def test_in_toto_s_own_library_takes_our_statements():
    payload = statements.encode(a_statement("b"))

    theirs = json_format.Parse(payload, statement_pb2.Statement())

    TheirStatement.copy_from_pb(theirs).validate()
    predicate = json_format.ParseDict(json_format.MessageToDict(theirs.predicate), provenance_pb2.Provenance())
    assert theirs.predicate_type == PROVENANCE_TYPE
    assert predicate.build_definition.build_type == BUILD_TYPES[Making.TRAINING]
    assert [one.name for one in predicate.build_definition.resolved_dependencies] == ["data/lines@1", "code"]
    assert predicate.run_details.builder.id == "urn:edgewright:hub:x"
    assert predicate.run_details.metadata.started_on.ToSeconds() == 100


def test_a_sealed_statement_verifies_as_dsse_elsewhere(provenance, db, keys):
    keep(provenance, db, a_statement("b"))

    found = provenance.find(Making.TRAINING, "lines@1", "b" * 64)

    envelope = Envelope.from_dict(msgspec.json.decode(found.envelope))
    assert envelope.payload_type == PAYLOAD_TYPE
    assert envelope.verify([keys.audit.public_key], 1)
    assert found.made_of == {"data/lines@1": "d" * 64, "code": found.made_of["code"]}


def test_a_statement_of_the_same_execution_is_kept_once(provenance, db):
    keep(provenance, db, a_statement("b"))
    keep(provenance, db, a_statement("b"))

    with db.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(attestation)) == 1


def test_there_is_no_statement_about_other_bytes(provenance, db):
    keep(provenance, db, a_statement("b"))

    assert provenance.find(Making.TRAINING, "lines@1", "e" * 64) is None
    assert provenance.find(Making.OPTIMISATION, "lines@1", "b" * 64) is None
    assert provenance.find(Making.TRAINING, "lines@2", "b" * 64) is None


def test_a_statement_that_somebody_puts_in_place_of_ours_does_not_hold(provenance, db, blobs, keys):
    keep(provenance, db, a_statement("b"))
    forged = seal(statements.encode(a_statement("b")), PAYLOAD_TYPE, keys.director)
    point_to(db, blobs.put_bytes(forged))

    with pytest.raises(HostileInput):
        provenance.find(Making.TRAINING, "lines@1", "b" * 64)


def test_what_an_earlier_audit_key_sealed_holds_if_a_root_has_named_that_key(provenance, db, clock, blobs, keys):
    keep(provenance, db, a_statement("b"))
    named = Provenance(db, clock, blobs, keys.director, lambda: [keys.audit.public_key])
    unnamed = Provenance(db, clock, blobs, keys.director)

    assert named.find(Making.TRAINING, "lines@1", "b" * 64) is not None
    with pytest.raises(HostileInput):
        unnamed.find(Making.TRAINING, "lines@1", "b" * 64)


def test_our_own_statement_about_something_else_does_not_hold(provenance, db, blobs, keys):
    keep(provenance, db, a_statement("b"))
    point_to(db, blobs.put_bytes(seal(statements.encode(a_statement("e")), PAYLOAD_TYPE, keys.audit)))

    with pytest.raises(HostileInput):
        provenance.find(Making.TRAINING, "lines@1", "b" * 64)


@pytest.mark.parametrize("payload", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"_type": 1}'])
def test_bytes_that_are_no_statement_are_hostile(payload):
    with pytest.raises(HostileInput):
        statements.decode_provenance(payload)


def test_another_kind_of_statement_is_no_provenance():
    other = msgspec.structs.replace(a_statement("b"), predicate_type="https://example.org/else")

    with pytest.raises(HostileInput):
        statements.decode_provenance(statements.encode(other))


def a_statement(letter: str):
    lineage = Lineage(snapshot="lines@1", seed=7, params={"rate": 0.1}, command=PIPELINE.command)
    version = VersionRecord(
        model="lines",
        version=1,
        source_sha256=letter * 64,
        source_bytes=1,
        contract=Contract(inputs=(), outputs=()),
        lineage=lineage,
        metrics={},
        task="classification",
        note="",
        created_at=0.0,
        created_by="ana",
    )
    execution = Execution(id="run-1", started_at=100.0, ended_at=160.0)
    return training(version, PIPELINE, SNAPSHOT, None, {"python": "3.11"}, execution, "urn:edgewright:hub:x")


def keep(provenance, db, statement) -> None:
    with db.write() as connection:
        provenance.record(connection, Making.TRAINING, statement)


def point_to(db, sha256: str) -> None:
    with db.write() as connection:
        connection.execute(sa.update(attestation).values(sha256=sha256))
