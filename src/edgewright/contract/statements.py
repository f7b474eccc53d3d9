"""Statements about artefacts after in-toto (Attestation Framework v1), and SLSA's predicate for how one was made.

A statement says something (`predicate`) of things named by their digests (`subject`). It is sealed in a DSSE envelope
under PAYLOAD_TYPE, so that other tools read and verify it. docs/reference/provenance.md tells what we write where.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from edgewright.contract.errors import HostileInput
from edgewright.contract.wire import read_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"

P = TypeVar("P")


class Resource(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A thing by its digest: in-toto's ResourceDescriptor. `digest` maps an algorithm to a hexadecimal digest."""

    name: str = ""
    uri: str = ""
    digest: dict[str, str] = {}
    annotations: dict[str, Any] = {}

    @property
    def sha256(self) -> str:
        """Its SHA-256, or ""."""
        return self.digest.get("sha256", "")


class Statement(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """What is said of the subjects. `predicate_type` names the form of the predicate."""

    type: str = msgspec.field(name="_type", default=STATEMENT_TYPE)
    subject: tuple[Resource, ...]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: P


class BuildDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was to be made of what. Parameters are what the caller chose, and what the hub added of its own."""

    build_type: str
    external_parameters: dict[str, Any]
    internal_parameters: dict[str, Any] = {}
    resolved_dependencies: tuple[Resource, ...] = ()


class Builder(msgspec.Struct, frozen=True, kw_only=True):
    """Who made it; `version` by component."""

    id: str
    version: dict[str, str] = {}


class Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Which execution that was, and when (RFC 3339, UTC)."""

    invocation_id: str = ""
    started_on: str = ""
    finished_on: str = ""


class RunDetails(msgspec.Struct, frozen=True, kw_only=True):
    """By whom and when."""

    builder: Builder
    metadata: Metadata


class Provenance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """SLSA Provenance v1 (https://slsa.dev/spec/v1.0/provenance)."""

    build_definition: BuildDefinition
    run_details: RunDetails


class TestResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """in-toto's Test Result v0.1: `result` is PASSED, WARNED or FAILED; `configuration` is what it was tested with."""

    __test__ = False  # pytest collects what is called so

    result: str
    configuration: tuple[Resource, ...]
    passed_tests: tuple[str, ...] = ()
    warned_tests: tuple[str, ...] = ()
    failed_tests: tuple[str, ...] = ()


def encode(statement: Statement[Any]) -> bytes:
    """Canonical bytes: JSON with sorted keys and no white space."""
    return msgspec.json.encode(statement, order="sorted")


def decode_provenance(payload: bytes) -> Statement[Provenance]:
    """Parse a provenance statement; raises HostileInput for anything else."""
    statement = read_json(payload, Statement[Provenance], "a statement")
    if (statement.type, statement.predicate_type) != (STATEMENT_TYPE, PROVENANCE_TYPE):
        raise HostileInput(f"a {statement.predicate_type[:100]} is no provenance", field="predicateType")
    return statement


def decode_test_result(payload: bytes) -> Statement[TestResult]:
    """Parse a test result; raises HostileInput for anything else."""
    statement = read_json(payload, Statement[TestResult], "a statement")
    if (statement.type, statement.predicate_type) != (STATEMENT_TYPE, TEST_RESULT_TYPE):
        raise HostileInput(f"a {statement.predicate_type[:100]} is no test result", field="predicateType")
    return statement
