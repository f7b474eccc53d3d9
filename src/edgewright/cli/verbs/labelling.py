"""`edgewright data samples, label, export, history`: what devices captured, and what people say that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, moment
from edgewright.cli.label_files import read_labels, write_csv, write_tasks
from edgewright.cli.output import DryRun, Json, say, say_done, show_json, show_table

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import LabelReply, SampleRecord

TheModel = Annotated[str, typer.Argument(metavar="MODEL", help="The model whose devices captured them.")]
Unlabelled = Annotated[bool, typer.Option("--unlabelled", help="Only those that nobody has labelled.")]


def add_to(app: typer.Typer) -> None:
    """Make these verbs of `edgewright data`."""
    for name, verb in (("samples", samples), ("label", label), ("export", export), ("history", history)):
        app.command(name)(verb)


def samples(
    model: TheModel,
    unlabelled: Unlabelled = False,
    disputed: Annotated[bool, typer.Option("--disputed", help="Only those that people label differently.")] = False,
    as_json: Json = False,
) -> None:
    """List the samples that devices captured."""
    with connect() as client:
        found = client.labels.samples(model, unlabelled or None, disputed=disputed or None)
        progress = client.labels.progress(model)
    show_table(
        found,
        [
            ("SAMPLE", lambda one: one.id),
            ("VERSION>", lambda one: str(one.version)),
            ("DEVICE", lambda one: one.device),
            ("CHOSEN AS", lambda one: one.chosen_as),
            ("UNCERTAINTY>", lambda one: f"{one.uncertainty:.2f}"),
            ("LABEL>", lambda one: _told(one)),
        ],
        as_json=as_json,
        empty=f"No samples of {model}. Devices send some when a pipeline asks: edgewright data policy {model}",
    )
    if progress.samples and not as_json:
        disputes = f", {progress.disputed} disputed" if progress.disputed else ""
        say(f"{progress.labelled} of {counted(progress.samples, 'sample')} labelled{disputes}")


def label(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV file (sample or reference, label), or Label Studio's JSON.")
    ],
    model: Annotated[
        str, typer.Option(help="Whose references a CSV file names, and whose classes stand in the file.")
    ] = "",
    partial: Annotated[
        bool, typer.Option("--partial", help="Label what is known; references wait for their samples.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Say what samples show. Without --partial, all labels of the file are taken or none."""
    from edgewright.contract.api import LabelSource

    drafts = [] if model else read_labels(file, "", ())
    with connect() as client:
        drafts = drafts or read_labels(file, model, classes_of(client, model))
        source = LabelSource.LABEL_STUDIO if file.suffix == ".json" else LabelSource.CSV
        reply = client.labels.put(drafts, source=source, partial=partial, dry_run=dry_run)
    if as_json:
        show_json(reply)
    say_done(f"{_summed(reply)} of {counted(len(drafts), 'label')}", dry_run=dry_run)


def export(
    model: TheModel,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="samples.csv, or tasks.json for Label Studio: its end says which.")
    ],
    unlabelled: Unlabelled = False,
    as_json: Json = False,
) -> None:
    """Write samples to a CSV file, or as tasks for Label Studio.

    The file is to be filled in; tasks hold what the samples show.
    """
    with connect() as client:
        found = client.labels.samples(model, unlabelled or None)
        if file.suffix == ".json":
            interface = write_tasks(file, client, found, classes_of(client, model))
        else:
            write_csv(file, found)
            interface = ""
    if as_json:
        show_json({"samples": len(found), "file": str(file), "interface": interface})
        return
    say_done(f"{counted(len(found), 'sample')} in {file}", f"edgewright data label {file} --dry-run", dry_run=False)
    if interface:
        say(f"Label Studio's labelling interface for them:\n{interface}")


def history(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Its id, as `edgewright data samples` lists it.")],
    as_json: Json = False,
) -> None:
    """Show everything that was said of a sample, by whom and when."""
    with connect() as client:
        found = client.labels.history(sample)
    show_table(
        found,
        [
            ("AT", lambda one: moment(one.at)),
            ("BY", lambda one: one.by),
            ("LABEL>", lambda one: "withdrawn" if one.label is None else str(one.label)),
            ("BEFORE>", lambda one: "" if one.previous is None else str(one.previous)),
            ("SOURCE", lambda one: one.source),
        ],
        as_json=as_json,
        empty="Nobody has labelled it yet.",
    )


def classes_of(client: Client, model: str) -> tuple[str, ...]:
    """The names of a model's classes in the order of their numbers; () where it has none."""
    from edgewright.contract.tensors import Kind

    if not model:
        return ()
    versions = client.models.get(model).versions
    for kind in (Kind.LABEL, Kind.SCORES):
        spec = versions[-1].contract.output_of(kind) if versions else None
        if spec is not None and spec.names:
            return spec.names
    return ()


def _told(sample: SampleRecord) -> str:
    told = "" if sample.label is None else str(sample.label)
    return f"{told} disputed" if sample.is_disputed else told


def _summed(reply: LabelReply) -> str:
    parts = [
        (reply.labelled, "labelled"),
        (reply.changed, "changed"),
        (reply.unchanged, "known already"),
        (reply.waiting, "waiting for their samples"),
        (len(reply.unknown), f"unknown ({', '.join(reply.unknown[:3])})"),
    ]
    told = ", ".join(f"{count} {what}" for count, what in parts if count) or "none"
    return f"{told}; {reply.disputed} disputed," if reply.disputed else told
