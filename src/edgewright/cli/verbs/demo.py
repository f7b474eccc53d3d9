"""`edgewright demo`: the whole loop on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli.output import Json


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up until Ctrl-C.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="A new folder for everything; it stays. By default one that goes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take two real models through a life on eight devices.

    It takes about two minutes.
    """
    from edgewright.cli.demo.run import run_demo

    run_demo(folder, keep=keep, as_json=as_json)
