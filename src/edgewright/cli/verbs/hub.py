"""`edgewright hub`: a hub on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli.output import Json

app = typer.Typer(no_args_is_help=True)


@app.callback()
def hub() -> None:
    """Run a hub on this machine."""


@app.command("up")
def up(
    folder: Annotated[Path, typer.Option("--dir", help="Where the hub keeps everything.")],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at.", min=0, max=65535)] = 8080,
    operator: Annotated[
        Path | None, typer.Option(help="Where the operator's keys lie; DIR-operator by default.")
    ] = None,
    admin_password: Annotated[
        str, typer.Option(envvar="EDGEWRIGHT_ADMIN_PASSWORD", help="The first administrator's; made up by default.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Start a hub; its first start makes the keys and an administrator."""
