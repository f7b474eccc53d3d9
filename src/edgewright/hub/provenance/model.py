"""What the hub states of a version that it trained, a variant and a package: from records to statements. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from edgewright import __version__
from edgewright.contract.api import (
    EvaluationRecord,
    LineState,
    PipelineDraft,
    RuleLine,
    SnapshotRecord,
    VariantRecord,
    VersionRecord,
)
from edgewright.contract.manifest import Manifest, Role
from edgewright.contract.statements import (
    PROVENANCE_TYPE,
    TEST_RESULT_TYPE,
    BuildDefinition,
    Builder,
    Metadata,
    Provenance,
    Resource,
    RunDetails,
    Statement,
    TestResult,
)

RUN_KEY = "edgewright_run"
"""Where the lineage of a version that this hub has trained names the run."""

DOCS = "https://github.com/edgewright/edgewright/blob/main/docs/reference/provenance.md"


class Making(StrEnum):
    """What was done."""

    TRAINING = "training"
    OPTIMISATION = "optimisation"
    PACKAGING = "packaging"
    EVALUATION = "evaluation"


BUILD_TYPES = {kind: f"{DOCS}#{kind}-v1" for kind in Making if kind is not Making.EVALUATION}
"""What SLSA calls the template of a build; each names the section that explains its parameters."""


@dataclass(frozen=True)
class Execution:
    """One execution: its run (or release), and when it began and ended, in seconds since the epoch."""

    id: str
    started_at: float
    ended_at: float


def training(
    version: VersionRecord,
    pipeline: PipelineDraft,
    snapshot: SnapshotRecord,
    parent: VersionRecord | None,
    tools: dict[str, str],
    execution: Execution,
    builder: str,
) -> Statement[Provenance]:
    """A version came from this pipeline, data and parent; `tools` are versions by name."""
    lineage = version.lineage
    chosen = {"model": version.model, "snapshot": snapshot.id, "parent": lineage.parent, "seed": lineage.seed}
    made_of = [_snapshot(snapshot), _code(pipeline)]
    if parent is not None:
        made_of.append(_resource(version_name(parent.model, parent.version), parent.source_sha256))
    definition = BuildDefinition(
        build_type=BUILD_TYPES[Making.TRAINING],
        external_parameters={**chosen, "command": pipeline.command, "params": lineage.params},
        internal_parameters={"timeoutSeconds": pipeline.timeout_s},
        resolved_dependencies=tuple(made_of),
    )
    subject = _resource(version_name(version.model, version.version), version.source_sha256)
    return _statement(subject, definition, _details(execution, builder, tools))


def optimisation(
    version: VersionRecord, variant: VariantRecord, snapshot: SnapshotRecord, execution: Execution, builder: str
) -> Statement[Provenance]:
    """A variant came from this version by its recipe; the snapshot calibrated and measured it."""
    recipe = {"recipe": list(variant.recipe), "quantisation": msgspec.to_builtins(variant.quantisation)}
    definition = BuildDefinition(
        build_type=BUILD_TYPES[Making.OPTIMISATION],
        external_parameters={"model": variant.model, "version": variant.version, "target": variant.target},
        internal_parameters=recipe,
        resolved_dependencies=(
            _resource(version_name(version.model, version.version), version.source_sha256),
            _snapshot(snapshot),
        ),
    )
    subject = _resource(variant_name(variant.model, variant.version, variant.target), variant.sha256)
    return _statement(subject, definition, _details(execution, builder, variant.tools))


def packaging(
    path: str, manifest: Manifest, manifest_sha256: str, execution: Execution, builder: str
) -> Statement[Provenance]:
    """A package came from this variant. Assets are left out: the manifest itself names them all."""
    name = variant_name(manifest.model, manifest.version, manifest.target)
    files = tuple(
        _resource(name if file.role is Role.MODEL else file.name, file.sha256)
        for file in manifest.files
        if file.role is not Role.ASSET
    )
    needs = {dependency.model: dependency.minimum_counter for dependency in manifest.dependencies}
    definition = BuildDefinition(
        build_type=BUILD_TYPES[Making.PACKAGING],
        external_parameters={"model": manifest.model, "version": manifest.version, "needs": needs},
        internal_parameters={"counter": manifest.counter, "lineageSha256": manifest.lineage_sha256},
        resolved_dependencies=files,
    )
    return _statement(_resource(path, manifest_sha256), definition, _details(execution, builder, {}))


def evaluation(
    record: EvaluationRecord, challenger: VersionRecord, champion: VersionRecord | None, snapshot: SnapshotRecord
) -> Statement[TestResult]:
    """A version was judged: by which rules, on which rows and against whom, and what each rule said."""
    said = {state: tuple(_rule(line) for line in record.verdict.lines if line.state is state) for state in LineState}
    judged_by = Resource(name="judging", digest={"sha256": record.digest}, annotations={"run": record.run})
    rows = tuple(_resource(one.holdout, one.sha256) for one in record.holdouts)
    judged = (challenger,) if champion is None else (challenger, champion)
    subject, *against = (_resource(version_name(one.model, one.version), one.source_sha256) for one in judged)
    predicate = TestResult(
        result=_RESULTS[record.verdict.outcome.value],
        configuration=(judged_by, _snapshot(snapshot), *rows, *against),
        passed_tests=said[LineState.PASSED],
        warned_tests=(*said[LineState.UNSURE], *said[LineState.WAITS]),
        failed_tests=said[LineState.FAILED],
    )
    return Statement(subject=(subject,), predicate_type=TEST_RESULT_TYPE, predicate=predicate)


_RESULTS = {"yes": "PASSED", "ask": "WARNED", "no": "FAILED"}


def _rule(line: RuleLine) -> str:
    return f"{line.rule}: {line.reason}"


def snapshot_name(snapshot: str) -> str:
    """As statements name a snapshot: 'data/digits@1', since a model may be called like its dataset."""
    return f"data/{snapshot}"


def version_name(model: str, version: int) -> str:
    """As statements name a version's source file: 'digits@3'."""
    return f"{model}@{version}"


def variant_name(model: str, version: int, target: str) -> str:
    """As statements name a variant's file: 'digits@3/cpu-int8'."""
    return f"{version_name(model, version)}/{target}"


def _statement(subject: Resource, definition: BuildDefinition, details: RunDetails) -> Statement[Provenance]:
    predicate = Provenance(build_definition=definition, run_details=details)
    return Statement(subject=(subject,), predicate_type=PROVENANCE_TYPE, predicate=predicate)


def _details(execution: Execution, builder: str, tools: dict[str, str]) -> RunDetails:
    times = Metadata(
        invocation_id=execution.id, started_on=_moment(execution.started_at), finished_on=_moment(execution.ended_at)
    )
    return RunDetails(builder=Builder(id=builder, version={**tools, "edgewright": __version__}), metadata=times)


def _snapshot(snapshot: SnapshotRecord) -> Resource:
    return _resource(snapshot_name(snapshot.id), snapshot.digest)


def _code(pipeline: PipelineDraft) -> Resource:
    """All code as one digest: SHA-256 over every path and digest, in the order of the paths, as of a snapshot."""
    pairs = sorted((file.path, file.sha256) for file in pipeline.code)
    digest = hashlib.sha256(msgspec.json.encode(pairs)).hexdigest()
    return Resource(name="code", digest={"sha256": digest}, annotations={"revision": pipeline.code_revision})


def _resource(name: str, sha256: str) -> Resource:
    return Resource(name=name, digest={"sha256": sha256})


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
