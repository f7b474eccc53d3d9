"""`edgewright model`: models, their versions and variants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import files_of, read_json, version_of
from edgewright.cli.connection import connect, read_project
from edgewright.cli.formats import moment, numbers, share, short, size, words
from edgewright.cli.output import Column, DryRun, Json, say, say_done, show_facts, show_json, show_table
from edgewright.cli.progress import UploadProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msgspec import UnsetType

    from edgewright.client import ExportCommand, Project
    from edgewright.contract.api import Export, ModelRecord, VariantRecord, VersionRecord
    from edgewright.contract.manifest import File, Role
    from edgewright.contract.tensors import Contract, TensorSpec

app = typer.Typer(no_args_is_help=True)

MAX_LISTED = 20
MODEL_SUFFIXES = (".onnx", ".tflite")


@app.command("register")
def register(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX or TFLite file; with --export, weights.")],
    name: Annotated[str, typer.Option(help="The model that it is a version of.")],
    snapshot: Annotated[str, typer.Option(help="The data that it learned from, which also measures it.")] = "",
    contract: Annotated[Path | None, typer.Option(help="Its contract in JSON; inferred by default.")] = None,
    project: Annotated[
        Path | None, typer.Option(help="The folder whose edgewright.toml refines its contract and may name an export.")
    ] = None,
    export: Annotated[
        str, typer.Option(metavar="COMMAND", help="What makes ONNX of the weights, here: 'python export.py'.")
    ] = "",
    metrics: Annotated[Path | None, typer.Option(help='Its metrics in JSON: {"accuracy": 0.97}.')] = None,
    note: Annotated[str, typer.Option(help="A word to those who read this later.")] = "",
    extra: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="FILE:ROLE", help="What its packages carry too: ROLE is labels or asset."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Register a trained model as the next version.

    An export command runs on this machine: it reads EW_SOURCE and leaves ONNX at EW_OUTPUT. Only that is uploaded.
    """
    from edgewright.contract.tensors import Contract

    given = read_json(contract, Contract, "contract") if contract else None
    measured = read_json(metrics, dict[str, float], "metrics") if metrics else {}
    plan = read_project(project) if project else None
    with connect() as client, UploadProgress() as progress:
        version = client.models.register(
            name,
            file,
            export=_export(export, file, plan),
            contract=given,
            refinement=plan.contract if plan else None,
            snapshot=snapshot,
            metrics=measured,
            note=note,
            files=_brought(extra or (), plan),
            on_progress=progress,
            dry_run=dry_run,
        )
    show_facts(version, VERSION_FACTS, as_json=as_json)
    say_done(
        f"{name}@{version.version} is registered",
        f"edgewright optimize run {name}@{version.version} --target TARGET",
        dry_run=dry_run,
    )


def _export(command: str, file: Path, project: Project | None) -> ExportCommand | None:
    """What was asked for, or for a file that is no model what the project says."""
    from edgewright.client import ExportCommand

    if command:
        return ExportCommand(command, on_line=say)
    if project is None or not project.export.command or file.suffix in MODEL_SUFFIXES:
        return None
    return ExportCommand(project.export.command, project.folder, project.export.timeout_s, say)


def _brought(extra: Sequence[str], project: Project | None) -> list[tuple[Path, Role]]:
    """What was named, and the tables that the project's steps need."""
    from edgewright.contract.manifest import Role

    files = files_of(extra)
    named = {path.name for path, _ in files}
    tables = project.table_files() if project else []
    return [*files, *((path, Role.ASSET) for path in tables if path.name not in named)]


@app.command("ls")
def list_models(as_json: Json = False) -> None:
    """List the models."""
    with connect() as client:
        models = client.models.list()
    show_table(
        models,
        [
            ("MODEL", lambda one: one.name),
            ("NEWEST>", lambda one: f"{one.name}@{one.latest}" if one.latest else ""),
            ("TASK", lambda one: one.task),
            ("OWNER", lambda one: one.owner),
            ("SINCE", lambda one: moment(one.created_at)),
        ],
        as_json=as_json,
        empty="No models yet. Train one: edgewright train, or: edgewright model register FILE.onnx --name NAME",
    )


@app.command("show")
def show(
    reference: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="digits, or digits@3.")],
    as_json: Json = False,
) -> None:
    """Show a model's versions, or one version with its variants."""
    with connect() as client:
        if "@" not in reference:
            _show_model(client.models.get(reference), as_json=as_json)
            return
        name, number = version_of(client, reference)
        version = client.models.version(name, number)
        variants = client.models.variants(name, number)
    if as_json:
        show_json({"version": version, "variants": variants})
        return
    show_facts(version, VERSION_FACTS, as_json=False)
    show_variants(variants, f"{name}@{number}")


def show_variants(variants: tuple[VariantRecord, ...], reference: str) -> None:
    """The variants of a version as a table, and below it the recipe of each."""
    empty = f"No variants yet. Make some: edgewright optimize run {reference} --target TARGET"
    show_table(variants, VARIANT_COLUMNS, as_json=False, empty=empty)
    if variants:
        show_table(variants, RECIPE_COLUMNS, as_json=False, empty="")


def _show_model(model: ModelRecord, *, as_json: bool) -> None:
    if as_json:
        show_json(model)
        return
    empty = f"No versions yet. Register one: edgewright model register FILE.onnx --name {model.name}"
    show_table(model.versions, VERSION_COLUMNS, as_json=False, empty=empty)


VERSION_COLUMNS: list[Column[VersionRecord]] = [
    ("VERSION", lambda one: f"{one.model}@{one.version}"),
    ("SIZE>", lambda one: size(one.source_bytes)),
    ("METRICS", lambda one: numbers(one.metrics)),
    ("SNAPSHOT", lambda one: one.lineage.snapshot),
    ("PARENT>", lambda one: str(one.lineage.parent or "")),
    ("AT", lambda one: moment(one.created_at)),
]

VERSION_FACTS: list[Column[VersionRecord]] = [
    ("version", lambda one: f"{one.model}@{one.version}"),
    ("task", lambda one: one.task),
    ("source", lambda one: one.source_sha256),
    ("size", lambda one: size(one.source_bytes)),
    ("files", lambda one: _files(one.files[:MAX_LISTED])),
    ("contract", lambda one: f"version {one.contract.version}"),
    ("inputs", lambda one: _tensors(one.contract.inputs)),
    ("prepared", lambda one: _steps(one.contract)),
    ("outputs", lambda one: _tensors(one.contract.outputs)),
    ("metrics", lambda one: numbers(one.metrics)),
    ("snapshot", lambda one: one.lineage.snapshot),
    ("code", lambda one: one.lineage.code_revision),
    ("command", lambda one: one.lineage.command),
    ("export", lambda one: _exported(one.lineage.export)),
    ("made with", lambda one: words(f"{name} {number}" for name, number in one.lineage.environment.items())),
    ("params", lambda one: words(f"{name}={value}" for name, value in one.lineage.params.items())),
    ("seed", lambda one: str(one.lineage.seed) if one.lineage.command else ""),
    ("parent", lambda one: f"{one.model}@{one.lineage.parent}" if one.lineage.parent else ""),
    ("note", lambda one: one.note),
    ("by", lambda one: f"{one.created_by}, {moment(one.created_at)}"),
]

VARIANT_COLUMNS: list[Column[VariantRecord]] = [
    ("TARGET", lambda one: one.target),
    ("ACCURACY>", lambda one: share(one.accuracy)),
    ("SOURCE>", lambda one: share(one.source_accuracy)),
    ("P50>", lambda one: f"{one.latency_p50_ms:.3f} ms"),
    ("P95>", lambda one: f"{one.latency_p95_ms:.3f} ms"),
    ("SIZE>", lambda one: size(one.size_bytes)),
    ("MEMORY>", lambda one: size(one.memory_bytes)),
    ("PARITY", lambda one: "kept" if one.is_parity_kept else "lost"),
]

RECIPE_COLUMNS: list[Column[VariantRecord]] = [
    ("TARGET", lambda one: one.target),
    ("RECIPE", lambda one: "\n".join(one.recipe)),
]


def _steps(contract: Contract) -> str:
    from edgewright.contract.preprocessing import name_of

    return " → ".join(name_of(step) for step in contract.preprocessing)


def _exported(export: Export | UnsetType) -> str:
    from msgspec import UNSET

    return "" if export is UNSET else f"{export.command}, of {export.weights} {short(export.weights_sha256)}"


def _files(files: tuple[File, ...]) -> str:
    return "\n".join(f"{file.role}  {file.name}  {size(file.size_bytes)}" for file in files)


def _tensors(specs: tuple[TensorSpec, ...]) -> str:
    return "\n".join(
        f"{spec.name}: {spec.dtype} [{words('any' if axis is None else axis for axis in spec.shape)}] {spec.kind}"
        for spec in specs
    )
