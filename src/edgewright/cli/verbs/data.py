"""`edgewright data`: snapshots of datasets, captured samples and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import moment, size
from edgewright.cli.output import DryRun, Json, say, say_done, show_facts, show_json, show_table
from edgewright.cli.progress import UploadProgress

if TYPE_CHECKING:
    from edgewright.contract.api import LabelDraft, SnapshotRecord

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


@app.command("samples")
def samples(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model whose devices captured them.")],
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Only those that nobody has labelled.")] = False,
    as_json: Json = False,
) -> None:
    """List the samples that devices captured."""
    with connect() as client:
        found = client.samples(model, unlabelled or None)
    show_table(
        found,
        [
            ("SAMPLE", lambda one: one.id),
            ("VERSION>", lambda one: str(one.version)),
            ("DEVICE", lambda one: one.device),
            ("CHOSEN AS", lambda one: one.chosen_as),
            ("UNCERTAINTY>", lambda one: f"{one.uncertainty:.2f}"),
            ("LABEL>", lambda one: "" if one.label is None else str(one.label)),
        ],
        as_json=as_json,
        empty=f"No samples of {model}. Devices send some when a trigger asks: edgewright trigger set {model}",
    )


@app.command("label")
def label(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A CSV file with the columns sample and label.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Say what samples show."""
    labels = _read_labels(file)
    with connect() as client:
        reply = client.label(labels, dry_run=dry_run)
    if as_json:
        show_json(reply)
    say_done(f"{reply.labelled} of {len(labels)} samples are labelled", dry_run=dry_run)


def _read_labels(file: Path) -> list[LabelDraft]:
    import csv

    from edgewright.contract.errors import InvalidInput

    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines)
            if not {"sample", "label"} <= set(rows.fieldnames or ()):
                raise InvalidInput(
                    f"{file} has no columns sample and label", field="file", hint="Its first line is: sample,label"
                )
            return [_label(file, number, row) for number, row in enumerate(rows, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"cannot read {file}: {error}", field="file") from error


def _label(file: Path, line: int, row: dict[str, str]) -> LabelDraft:
    from edgewright.contract.api import LabelDraft
    from edgewright.contract.errors import InvalidInput

    try:
        return LabelDraft(sample=row["sample"], label=int(row["label"]))
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{file}, line {line}: {row['label']!r} is not a label", field="label", hint="A label is a class's number."
        ) from error


def _size_bytes(snapshot: SnapshotRecord) -> int:
    return sum(file.size_bytes for file in snapshot.files)
