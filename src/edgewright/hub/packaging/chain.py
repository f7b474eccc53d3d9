"""The chain from data to package: notes how a package was made, and checks every link of a release."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from edgewright.contract import manifest as manifests
from edgewright.contract.api import (
    CheckLine,
    PackageRecord,
    ProvenanceReport,
    ReleaseRecord,
    StatementRecord,
    VersionRecord,
)
from edgewright.contract.errors import EdgewrightError, NotFound
from edgewright.contract.manifest import Manifest, Role
from edgewright.contract.statements import Statement, TestResult
from edgewright.hub.data import Data, snapshot_digest
from edgewright.hub.packaging.manifests import lineage_sha256
from edgewright.hub.provenance import (
    RUN_KEY,
    Attested,
    Execution,
    Making,
    Provenance,
    packaging,
    snapshot_name,
    variant_name,
    version_name,
)
from edgewright.hub.registry import Blobs, Registry

Read = tuple[PackageRecord, Manifest]


@dataclass(frozen=True)
class Link:
    """One thing that was made, and what it must have been made of: digests by name."""

    kind: Making
    name: str
    sha256: str
    made_of: Mapping[str, str]


class Chain:
    """What is known of how releases came to be."""

    def __init__(
        self, clock: Callable[[], float], registry: Registry, data: Data, blobs: Blobs, provenance: Provenance
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._data = data
        self._blobs = blobs
        self._provenance = provenance

    def note(self, connection: sa.Connection, record: ReleaseRecord, built: Mapping[str, Manifest]) -> None:
        """State in this transaction what the packages of a new release were made of."""
        execution = Execution(id=record.id, started_at=record.created_at, ended_at=self._clock())
        for package in record.packages:
            manifest, sha256 = built[package.target], package.manifest_sha256
            statement = packaging(package.path, manifest, sha256, execution, self._provenance.builder)
            self._provenance.record(connection, Making.PACKAGING, statement)

    def report(self, record: ReleaseRecord) -> ProvenanceReport:
        """Every statement behind a release, from its data on, and whether all links hold."""
        version = self._registry.version(record.model, record.version)
        packages, broken = self._read(record)
        found: list[StatementRecord] = []
        checks = [*self._data_lines(version), *broken]
        for link in self._links(packages, version):
            attested, problem = self._look(link)
            if attested is not None:
                found.append(_statement_record(link, attested))
            checks.append(_line(link, problem))
        judged, lines = self._judged(version)
        found += judged
        checks += [*self._origin_lines(version), *lines]
        checks += [_lineage_line(package, manifest, version) for package, manifest in packages]
        holds = all(line.holds for line in checks)
        return ProvenanceReport(subject=record.id, holds=holds, statements=tuple(found), checks=tuple(checks))

    def _read(self, record: ReleaseRecord) -> tuple[list[Read], list[CheckLine]]:
        """The packages with their manifests, and a line for each that cannot be read."""
        found, broken = [], []
        for package in record.packages:
            try:
                found.append((package, manifests.decode(self._blobs.path(package.manifest_sha256).read_bytes())))
            except EdgewrightError as error:
                broken.append(CheckLine(what=f"packaging of {package.path}", holds=False, detail=error.message))
        return found, broken

    def _links(self, packages: list[Read], version: VersionRecord) -> Iterator[Link]:
        """From the model on to the packages."""
        source = version_name(version.model, version.version)
        if RUN_KEY in version.lineage.environment:
            yield Link(Making.TRAINING, source, version.source_sha256, self._ingredients(version))
        for package, manifest in packages:
            variant = variant_name(version.model, version.version, package.target)
            model = manifest.find(Role.MODEL)
            model_sha256 = model.sha256 if model else ""
            yield Link(Making.OPTIMISATION, variant, model_sha256, {source: version.source_sha256})
            yield Link(Making.PACKAGING, package.path, package.manifest_sha256, {variant: model_sha256})

    def _ingredients(self, version: VersionRecord) -> dict[str, str]:
        """What a version that was trained here must have been trained from."""
        lineage, made_of = version.lineage, {}
        with contextlib.suppress(NotFound):  # told by the line of the data
            made_of[snapshot_name(lineage.snapshot)] = self._data.snapshot(lineage.snapshot).digest
        if lineage.parent:
            parent = self._registry.version(version.model, lineage.parent)
            made_of[version_name(parent.model, parent.version)] = parent.source_sha256
        return made_of

    def _look(self, link: Link) -> tuple[Attested | None, str]:
        """The statement of a link, and what is wrong with it or with its absence."""
        try:
            attested = self._provenance.find(link.kind, link.name, link.sha256)
        except EdgewrightError as error:
            return None, error.message
        if attested is None:
            return None, "no statement tells of it"
        strays = [name for name, sha256 in link.made_of.items() if attested.made_of.get(name) != sha256]
        return attested, f"it was made of another {strays[0]}" if strays else ""

    def _data_lines(self, version: VersionRecord) -> list[CheckLine]:
        name = version.lineage.snapshot
        if not name:
            return []
        what = f"snapshot {name} is as it was"
        try:
            snapshot = self._data.snapshot(name)
        except EdgewrightError as error:
            return [CheckLine(what=what, holds=False, detail=error.message)]
        seen = snapshot_digest(snapshot.files)
        return [CheckLine(what=what, holds=seen == snapshot.digest, detail=seen)]

    def _judged(self, version: VersionRecord) -> tuple[list[StatementRecord], list[CheckLine]]:
        """What was said when the version was judged last. One that nobody judged has no such statement."""
        name = version_name(version.model, version.version)
        try:
            results = self._provenance.results(name, version.source_sha256)
        except EdgewrightError as error:
            return [], [CheckLine(what=f"evaluation of {name}", holds=False, detail=error.message)]
        if not results:
            return [], []
        sha256, statement = results[-1]
        record = _result_record(name, version, sha256, statement, self._provenance.builder)
        what = f"evaluation of {name} on {', '.join(record.made_of)}"
        return [record], [CheckLine(what=what, holds=True, detail=statement.predicate.result)]

    def _origin_lines(self, version: VersionRecord) -> list[CheckLine]:
        """A version that was trained elsewhere has no statement here: whoever brought it answers for it."""
        if RUN_KEY in version.lineage.environment:
            return []
        name = version_name(version.model, version.version)
        detail = f"registered by {version.created_by}; its training was not seen here"
        return [CheckLine(what=f"{name} has a known origin", holds=True, detail=detail)]


def _lineage_line(package: PackageRecord, manifest: Manifest, version: VersionRecord) -> CheckLine:
    expected = lineage_sha256(version)
    holds = manifest.lineage_sha256 == expected
    return CheckLine(what=f"{package.path} names this lineage", holds=holds, detail=expected)


def _line(link: Link, problem: str) -> CheckLine:
    origin = ", ".join(link.made_of)
    return CheckLine(what=f"{link.kind} of {link.name} from {origin}", holds=not problem, detail=problem or link.sha256)


def _statement_record(link: Link, attested: Attested) -> StatementRecord:
    details = attested.statement.predicate.run_details
    return StatementRecord(
        kind=link.kind,
        name=link.name,
        subject_sha256=link.sha256,
        sha256=attested.sha256,
        made_of=attested.made_of,
        builder=details.builder.id,
        run=details.metadata.invocation_id,
        finished_on=details.metadata.finished_on,
    )


def _result_record(
    name: str, version: VersionRecord, sha256: str, statement: Statement[TestResult], builder: str
) -> StatementRecord:
    judging, *made_of = statement.predicate.configuration
    return StatementRecord(
        kind=Making.EVALUATION,
        name=name,
        subject_sha256=version.source_sha256,
        sha256=sha256,
        made_of={one.name: one.sha256 for one in made_of},
        builder=builder,
        run=str(judging.annotations.get("run", "")),
        finished_on="",
    )
