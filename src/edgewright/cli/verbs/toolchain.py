"""`edgewright hub toolchain`: the compilers of a hub that live in environments of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.formats import size
from edgewright.cli.output import Column, DryRun, Json, say, say_done, show_facts, show_table
from edgewright.cli.progress import ByteProgress

if TYPE_CHECKING:
    from edgewright.hub.optimize.toolchains import Installation

VARIABLE = "EDGEWRIGHT_TOOLCHAINS"

app = typer.Typer(no_args_is_help=True)

Place = Annotated[Path | None, typer.Option("--dir", help=f"The hub's folder; not needed where {VARIABLE} is set.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="As `edgewright hub toolchain ls` shows it.")]


@app.callback()
def toolchain() -> None:
    """Install the compilers that live in environments of their own.

    They lie in DIR/toolchains of a hub, or in the folder that EDGEWRIGHT_TOOLCHAINS names for hub and command alike.
    """


@app.command("ls")
def ls(place: Place = None, as_json: Json = False) -> None:
    """List toolchains, and which are installed."""
    from edgewright.hub.optimize.toolchains import TOOLCHAINS, installations

    show_table(installations(_folder(place), TOOLCHAINS), COLUMNS, as_json=as_json, empty="There are none.")


@app.command("install")
def install(name: Name, place: Place = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Install a toolchain. It counts once its own check has passed, and not before."""
    from edgewright.hub.optimize.toolchains import make
    from edgewright.hub.optimize.toolchains import toolchain as find

    wanted, folder = find(name), _folder(place)
    say(f"{name}: {size(wanted.needs_bytes)} in {folder}")
    with ByteProgress(name) as tell:
        made = make(wanted, folder, tell, dry_run=dry_run)
    show_facts(made, FACTS, as_json=as_json)
    say_done(f"the toolchain {name} is installed", dry_run=dry_run)


@app.command("rm")
def rm(name: Name, place: Place = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Remove a toolchain."""
    from edgewright.hub.optimize.toolchains import TOOLCHAINS, installations, remove

    folder = _folder(place)
    gone = remove(name, folder, dry_run=dry_run)
    show_table(
        [one for one in installations(folder, TOOLCHAINS) if one.name == name], COLUMNS, as_json=as_json, empty=""
    )
    say_done(f"{gone} is gone", dry_run=dry_run)


def _folder(place: Path | None) -> Path:
    """Where toolchains lie; raises UsageError where nobody said so."""
    from edgewright.contract.errors import UsageError
    from edgewright.hub.optimize.toolchains import folder

    if place is None and not os.environ.get(VARIABLE):
        hint = f"Name the hub's folder, or set {VARIABLE} for the hub and for you."
        raise UsageError("whose toolchains? There is no --dir", field="--dir", hint=hint)
    return folder((place or Path()) / "toolchains").resolve()


def _versions(one: Installation) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(one.versions.items()))


COLUMNS: Sequence[Column[Installation]] = (
    ("toolchain", lambda one: one.name),
    ("state", lambda one: one.state),
    ("size>", lambda one: size(one.size_bytes)),
    ("for", lambda one: one.title),
)
FACTS: Sequence[Column[Installation]] = (
    ("toolchain", lambda one: one.name),
    ("state", lambda one: one.state),
    ("size", lambda one: size(one.size_bytes)),
    ("python", lambda one: one.python),
    ("holds", _versions),
)
