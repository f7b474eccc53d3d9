"""`edgewright data`: snapshots of datasets; captured samples and what becomes of them join below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import moment, size
from edgewright.cli.output import DryRun, Json, say, say_done, show_facts, show_json, show_table
from edgewright.cli.progress import UploadProgress
from edgewright.cli.verbs import labelling, samples

if TYPE_CHECKING:
    from edgewright.contract.api import SnapshotRecord

app = typer.Typer(no_args_is_help=True)


@app.command("snapshot")
def snapshot(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Its files; by convention train.npz and holdout.npz.")
    ],
    parent: Annotated[str, typer.Option(help="The snapshot that this one grew from: digits@1.")] = "",
    note: Annotated[str, typer.Option(help="A word to those who read this later.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Freeze a folder as the dataset's next snapshot."""
    with connect() as client, UploadProgress() as progress:
        known = {one.id for one in client.snapshots.list(dataset)}
        record = client.snapshots.create(dataset, folder, parent, progress, note=note, dry_run=dry_run)
    if as_json:
        show_json(record)
        return
    show_facts(
        record,
        [
            ("snapshot", lambda one: one.id),
            ("digest", lambda one: one.digest),
            ("files", lambda one: "\n".join(f"{file.path}  {size(file.size_bytes)}" for file in one.files)),
            ("parent", lambda one: one.parent),
        ],
        as_json=False,
    )
    if record.id in known:
        say(f"{record.id} holds exactly these files already; there is no new snapshot")
        return
    say_done(
        f"{record.id} is frozen",
        "edgewright train",
        f"edgewright model register FILE.onnx --name NAME --snapshot {record.id}",
        dry_run=dry_run,
    )


@app.command("ls")
def list_snapshots(
    dataset: Annotated[str, typer.Argument(metavar="[DATASET]", help="Only this dataset.")] = "", as_json: Json = False
) -> None:
    """List the snapshots."""
    with connect() as client:
        snapshots = client.snapshots.list(dataset)
    show_table(
        snapshots,
        [
            ("SNAPSHOT", lambda one: one.id),
            ("FILES>", lambda one: str(len(one.files))),
            ("SIZE>", lambda one: size(_size_bytes(one))),
            ("PARENT", lambda one: one.parent),
            ("BY", lambda one: one.created_by),
            ("AT", lambda one: moment(one.created_at)),
        ],
        as_json=as_json,
        empty="No snapshots yet. Freeze a folder: edgewright data snapshot DATASET FOLDER",
    )


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A snapshot: digits@1.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another: digits@2, or digits for the newest.")],
    as_json: Json = False,
) -> None:
    """Compare two snapshots: files by name, rows by their content."""
    with connect() as client:
        found = client.snapshots.diff(before, after)
    if as_json:
        show_json(found)
        return
    show_table(
        found.files,
        [
            ("FILE", lambda one: one.path),
            ("CHANGE", lambda one: one.change),
            ("ROWS>", lambda one: _changed(one.rows_before, one.rows_after)),
            ("ADDED>", lambda one: _count(one.rows_added)),
            ("REMOVED>", lambda one: _count(one.rows_removed)),
            ("RELABELLED>", lambda one: _count(one.relabelled)),
        ],
        as_json=False,
        empty="Both are empty.",
    )
    if found.leaks:
        say(f"{found.after} leaks: {found.leaks} rows of its hold-outs are also learned from")


def _changed(before: int | None, after: int | None) -> str:
    return _count(before) if before == after else f"{_count(before) or 0} → {_count(after) or 0}"


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _size_bytes(snapshot: SnapshotRecord) -> int:
    return sum(file.size_bytes for file in snapshot.files)


labelling.add_to(app)
samples.add_to(app)
