"""`edgewright release provenance` and `export`: what others need to verify a release without us."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import release_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import short, size
from edgewright.cli.output import Column, DryRun, Json, refuse, say, say_done, show_facts, show_json, show_table
from edgewright.cli.progress import ByteProgress

if TYPE_CHECKING:
    from edgewright.contract.api import CheckLine, StatementRecord
    from edgewright.contract.manifest import Manifest

Reference = Annotated[str, typer.Argument(metavar="MODEL/COUNTER", help="A release: digits/4.")]


def provenance(
    reference: Reference,
    out: Annotated[
        Path | None, typer.Option(help="Write the sealed statements there: DSSE envelopes, one JSON line each.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a release was made of, and check each link."""
    with connect() as client:
        report = client.content.provenance(*release_of(reference))
        if out is not None:
            write_lines(out, client.content.statements(report))
    if as_json:
        show_json(report)
    else:
        show_table(report.statements, STATEMENT_COLUMNS, as_json=False, empty="No statements tell of this release.")
        show_checks(report.checks)
    if not report.holds:
        broken = next(check for check in report.checks if not check.holds)
        refuse(f"{report.subject}: {broken.what}: {broken.detail}", field="release", hint="Do not roll it out.")
    say(f"{report.subject}: every link holds" + (f"; {len(report.statements)} statements in {out}" if out else ""))


def export(
    reference: Reference,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    target: Annotated[str, typer.Option(help="Whose package: a target of the release.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write a package, its signature and its origin to DIR.

    Any tool for OpenSSF Model Signing verifies it there, without Edgewright.
    """
    model, counter = release_of(reference)
    with connect() as client, ByteProgress(f"{reference} for {target}") as tell:
        release = client.releases.get(model, counter)
        manifest = client.content.export(release, target, folder, tell, dry_run=dry_run)
    is_signed = dry_run or (folder / "model.sig").exists()
    show_facts(manifest, MANIFEST_FACTS, as_json=as_json)
    if not is_signed:
        say("nobody has signed this content: `edgewright release sign` does, with a key of the role model-signing")
    verify = (
        f"model_signing verify key {folder}/package --signature {folder}/model.sig "
        f"--public_key {folder}/model-signing.pem"
    )
    say_done(f"the package is in {folder}", *([verify] if is_signed else []), dry_run=dry_run)


def write_lines(path: Path, lines: list[bytes]) -> None:
    """Write each of `lines` with a line break; raises InvalidInput where the file cannot be written."""
    from edgewright.contract.errors import InvalidInput

    try:
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}", field="out") from error


def show_checks(checks: Sequence[CheckLine]) -> None:
    """One line for each thing that was checked."""
    show_table(checks, CHECK_COLUMNS, as_json=False, empty="Nothing was checked.")


CHECK_COLUMNS: list[Column[CheckLine]] = [
    ("", lambda one: "holds" if one.holds else "FAILS"),
    ("CHECK", lambda one: one.what),
    ("SEEN", lambda one: one.detail),
]

STATEMENT_COLUMNS: list[Column[StatementRecord]] = [
    ("DONE", lambda one: one.kind),
    ("MADE", lambda one: one.name),
    ("OF", lambda one: "\n".join(one.made_of)),
    ("AT", lambda one: one.finished_on.replace("T", " ").removesuffix("Z")),
]

MANIFEST_FACTS: list[Column[Manifest]] = [
    ("package", lambda one: f"{one.model}/{one.counter} for {one.target}"),
    ("version", lambda one: f"{one.model}@{one.version}"),
    ("files", lambda one: "\n".join(f"{file.role}  {file.name}  {size(file.size_bytes)}" for file in one.files)),
    ("lineage", lambda one: short(one.lineage_sha256)),
]
