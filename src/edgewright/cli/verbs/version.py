"""`edgewright version`."""

from __future__ import annotations

import typer

from edgewright.cli.output import Json, show_json


def version(as_json: Json = False) -> None:
    """Print this program's version."""
    import platform

    from edgewright import __version__

    if as_json:
        show_json({"version": __version__, "python": platform.python_version()})
    else:
        typer.echo(f"edgewright {__version__}")
