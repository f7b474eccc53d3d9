"""`edgewright target`: the kinds of hardware that the hub optimises for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, moment, size, words
from edgewright.cli.output import DryRun, Json, say_done, show_facts, show_json, show_table
from edgewright.cli.verbs.target_probe import probe

if TYPE_CHECKING:
    from edgewright.contract.api import TargetRecord

app = typer.Typer(no_args_is_help=True)
app.command("probe")(probe)

MANY = 12
"""Lists that are longer are counted where people read."""

Id = Annotated[str, typer.Argument(metavar="TARGET", help="Its id: raspberry-pi-5.")]


@app.command("ls")
def list_targets(
    hardware: Annotated[str, typer.Option("--class", help="cpu, gpu, npu, single-board, microcontroller …")] = "",
    arch: Annotated[str, typer.Option(help="A machine name: x86_64, aarch64, armv7e-m …")] = "",
    runtime: Annotated[str, typer.Option(help="onnxruntime, openvino, litert, tflite-micro.")] = "",
    as_json: Json = False,
) -> None:
    """List the targets: the library's, and those that people have added."""
    with connect() as client:
        known = client.targets.list()
    chosen = [
        one
        for one in known
        if (not hardware or one.profile.hardware_class == hardware)
        and (not arch or arch in one.arch)
        and (not runtime or one.profile.runtime.name == runtime)
    ]
    show_table(
        chosen,
        [
            ("TARGET", lambda one: one.id),
            ("RUNTIME", lambda one: one.profile.runtime.name),
            ("ARCH", lambda one: words(one.arch)),
            ("RAM>", lambda one: size(one.ram_bytes)),
            ("BY", lambda one: one.added_by),
        ],
        as_json=as_json,
        empty=f"None of {counted(len(known), 'target')} is of that kind: see `edgewright target ls`.",
    )


@app.command("show")
def show(target: Id, as_json: Json = False) -> None:
    """Show every field of a target, and which base tells it."""
    with connect() as client:
        record = client.targets.get(target)
    if as_json:
        show_json(record)
        return
    show_table(
        _lines(record),
        [("FIELD", lambda line: line[0]), ("VALUE", lambda line: line[1]), ("TOLD BY", lambda line: line[2])],
        as_json=False,
        empty="",
    )
    show_facts(
        record,
        [
            ("inherits from", lambda one: " → ".join(one.bases)),
            ("added", lambda one: f"{moment(one.added_at)} by {one.added_by}" if one.added_by else ""),
            ("used by", lambda one: words(one.used_by)),
        ],
        as_json=False,
    )


@app.command("new")
def new(
    file: Annotated[Path, typer.Argument(help="The file to write, my-board.toml; its name becomes the id.")],
    base: Annotated[str, typer.Option("--from", metavar="TARGET", help="The target that it is most like.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Begin a target of your own, in a file.

    It inherits from another target, and shows in comments what.
    """
    from edgewright.contract.errors import InvalidInput
    from edgewright.contract.target import begin, read

    if file.exists():
        raise InvalidInput(f"{file} is there already", field="file", hint="Name another file.")
    with connect() as client:
        record = client.targets.get(base)
    text = begin(file.stem, record.profile, file.name)
    read(text, file.name)
    if not dry_run:
        _write(file, text)
    if as_json:
        show_json({"file": str(file), "id": file.stem, "inherits": base})
    say_done(f"{file} inherits from {base}", f"edgewright target add {file}", dry_run=dry_run)


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="The target's TOML.")], dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Check a target of your own and give it to the hub."""
    from edgewright.contract.api import TargetDraft
    from edgewright.contract.target import read

    text = _read(file)
    sketch = read(text, file.name)
    with connect() as client:
        record = client.targets.add(TargetDraft(toml=text, file=file.name), dry_run=dry_run)
    if as_json:
        show_json(record)
    say_done(
        f"target {sketch.id} is known to the hub",
        f"edgewright target show {sketch.id}",
        f"edgewright optimize run MODEL --target {sketch.id}",
        dry_run=dry_run,
    )


@app.command("rm")
def remove(target: Id, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Remove a target of your own that nothing uses."""
    with connect() as client:
        record = client.targets.remove(target, dry_run=dry_run)
    if as_json:
        show_json(record)
    say_done(f"target {record.id} is removed", dry_run=dry_run)


def _lines(record: TargetRecord) -> list[tuple[str, str, str]]:
    """Field, value and who tells it, with the fields of tables after the plain ones."""
    from edgewright.contract.target import fields

    table = fields(record.profile)
    plain = [(name, value) for name, value in table.items() if not isinstance(value, dict)]
    inner = [
        (f"{name}.{key}", one) for name, table in table.items() if isinstance(table, dict) for key, one in table.items()
    ]
    return [
        (name, _shown(name, value), record.told_by.get(name, ""))
        for name, value in plain + inner
        if value not in (None, "", [], 0)
    ]


def _shown(name: str, value: object) -> str:
    """A value for people: bytes with their unit, long lists counted."""
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value:,} ({size(value)})"
    if name == "memory_regions" and isinstance(value, list):
        return words(f"{one['name']} {size(one['size_bytes'])}" for one in value)
    if isinstance(value, list):
        return words(value) if len(value) <= MANY else f"{len(value)} of them; all with --json"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _read(file: Path) -> str:
    from edgewright.contract.errors import InvalidInput

    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {file}: {getattr(error, 'strerror', '') or error}", field="file") from error


def _write(file: Path, text: str) -> None:
    from edgewright.contract.errors import InvalidInput

    try:
        file.write_text(text)
    except OSError as error:
        raise InvalidInput(f"cannot write {file}: {error.strerror or error}", field="file") from error
