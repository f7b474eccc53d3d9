"""`edgewright worker run` and `once`: this machine does the work."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import bytes_of, labels_of
from edgewright.cli.formats import counted
from edgewright.cli.output import Json, say, show_json_line

if TYPE_CHECKING:
    from edgewright.worker import Stopping

TOKEN = "EDGEWRIGHT_WORKER_TOKEN"  # noqa: S105 (the name of a variable)
HOME = Path("~/.local/share/edgewright-worker")


def run(
    hub: Annotated[str, typer.Option(help="The hub's address.", envvar="EDGEWRIGHT_HUB", show_envvar=True)],
    label: Annotated[list[str] | None, typer.Option(help="What this machine is: gpu=true; repeatable.")] = None,
    token_file: Annotated[Path | None, typer.Option(help=f"A file with the token, instead of {TOKEN}.")] = None,
    folder: Annotated[Path, typer.Option("--dir", help="Where this worker keeps tasks and inputs.")] = HOME,
    keep: Annotated[str, typer.Option(help="How much of the inputs stays here for later tasks.")] = "20GB",
    is_once: Annotated[bool, typer.Option("--once", help="End after one task.")] = False,
    as_json: Json = False,
) -> None:
    """Run tasks for a hub until Ctrl-C.

    That lets the task in hand end; a second one gives it back.

    SIGTERM gives the task in hand back at once. Commands run in a sandbox: in a folder of their own, under limits,
    without a network, without this machine's secrets where the kernel lets them be hidden.
    """
    from edgewright.client.credentials import credentials_path
    from edgewright.worker import Line, Stopping, Working, describe

    token = _token(token_file)
    stopping = Stopping()
    _obey_signals(stopping)
    place = folder.expanduser()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    hidden = [path for path in (token_file, credentials_path()) if path is not None]
    line = Line(hub, token)
    machine = describe(labels_of(label or ()))
    working = Working(line, place, machine, stopping, say=say, kept_bytes=bytes_of(keep, "keep"), hidden=hidden)
    say(f"asks {line.url} for work, as {', '.join(f'{name}={value}' for name, value in machine.labels.items())}")
    with contextlib.suppress(KeyboardInterrupt):
        working.run(is_once=is_once)
    line.close()
    if as_json:
        show_json_line({"tasks": working.done})
    say(f"ended after {counted(working.done, 'task')}")


def once(
    url: Annotated[str, typer.Argument(metavar="TASK_URL", help="Where the task's description lies.")],
    sha256: Annotated[str, typer.Option(help="The description's digest, as the hub told it.")],
    as_json: Json = False,
) -> int:
    """Do the one task of a link that the hub gave: in one's own CI. EDGEWRIGHT_CI_SECRET signs the answer."""
    from edgewright.hub.sandbox import elsewhere

    code = elsewhere.main(url, sha256)
    if as_json:
        show_json_line({"code": code})
    return code


def _obey_signals(stopping: Stopping) -> None:
    def end(number: int, _frame: object) -> None:
        stopping.ask_now() if number == signal.SIGTERM else stopping.ask()
        if stopping.is_idle:  # it would sit out the hub's answer
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def _token(file: Path | None) -> str:
    from edgewright.contract.errors import NotLoggedIn

    try:
        found = file.read_text() if file is not None else os.environ.pop(TOKEN, "")
    except OSError as error:
        raise NotLoggedIn(f"cannot read {file}: {error.strerror}", field="token-file") from error
    if not found.strip():
        hint = "Make one at the hub: edgewright worker add NAME; then set it in the environment, or use --token-file."
        raise NotLoggedIn(f"this worker has no token in {TOKEN}", field="token", hint=hint)
    return found.strip()
