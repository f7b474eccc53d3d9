"""All verbs in one command, its exit codes, and how errors reach people and programs.

Nothing here or in `verbs` imports the client, numpy or an HTTP library before a verb runs: `--help` stays quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.verbs import (
    alert,
    approval,
    audit,
    bench,
    bundle,
    data,
    delta,
    demo,
    device,
    drift,
    evaluation,
    group,
    hub,
    keys,
    login,
    model,
    optimize,
    pipeline,
    policy,
    release,
    rollout,
    run,
    target,
    train,
    trigger,
    user,
    version,
    worker,
)

if TYPE_CHECKING:
    from edgewright.contract.errors import EdgewrightError

INTERRUPTED = 130

app = typer.Typer(
    help="Run the whole life of machine-learning models on fleets of edge devices.",
    epilog="Exit codes: 0 done, 1 refused, 2 usage, 3 hub not reachable, 4 not allowed.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(is_wanted: bool) -> None:
    if is_wanted:
        version.version()
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_tell_version, is_eager=True, help="Print this program's version."),
]


@app.callback()
def edgewright(is_version: Version = False) -> None:
    """What stands before every verb."""


app.add_typer(hub.app, name="hub", help="Run a hub on this machine.")
app.command("login")(login.login)
app.command("whoami")(login.whoami)
app.add_typer(user.app, name="user", help="The people of a hub.")
app.add_typer(data.app, name="data", help="Snapshots of datasets, captured samples and their labels.")
app.add_typer(model.app, name="model", help="Models and their versions.")
app.command("train")(train.train)
app.add_typer(pipeline.app, name="pipeline", help="From samples to a rollout, step by step.")
app.add_typer(target.app, name="target", help="The kinds of hardware to optimise for.")
app.add_typer(optimize.app, name="optimize", help="The best variant of a version for each kind of hardware.")
app.add_typer(evaluation.app, name="evaluation", help="Challengers against the champion, and the rules.")
app.add_typer(policy.app, name="policy", help="Which steps go on without a person.")
app.add_typer(approval.app, name="approval", help="All that waits for people.")
app.add_typer(release.app, name="release", help="Build, sign, approve and verify releases.")
app.add_typer(delta.app, name="delta", help="Deltas between two files on this machine, without a hub.")
app.add_typer(keys.app, name="keys", help="Who may sign what: make, add, rotate and revoke keys.")
app.add_typer(device.app, name="device", help="Devices and the tokens that enrol them.")
app.add_typer(group.app, name="group", help="Groups of devices.")
app.add_typer(rollout.app, name="rollout", help="Deliver releases in waves.")
app.add_typer(bench.app, name="bench", help="Have real devices measure packages.")
app.add_typer(bundle.app, name="bundle", help="Carry releases to devices that no network reaches.")
app.add_typer(drift.app, name="drift", help="What the fleet sees, against what the model learned.")
app.add_typer(alert.app, name="alert", help="What detectors have found, and where it is told.")
app.add_typer(trigger.app, name="trigger", help="What starts runs by itself, and why it did or not.")
app.add_typer(run.app, name="run", help="Durable work at the hub.")
app.add_typer(worker.app, name="worker", help="Machines that run steps of pipelines for a hub.")
app.add_typer(audit.app, name="audit", help="Who did what.")
app.command("demo")(demo.demo)
app.command("version")(version.version)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    code = run_words(words)
    sys.stdout.flush()
    sys.exit(code)


def run_words(words: list[str]) -> int:
    """Run one command and return its exit code; every error is shown here, and nowhere else."""
    as_json = "--json" in words
    try:
        reply = app(words, prog_name="edgewright", standalone_mode=False)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; what the hub has begun goes on there\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _tell(error, as_json)
    return reply if isinstance(reply, int) else 0


def _tell(error: Exception, as_json: bool) -> int:
    from edgewright.cli.output import show_error
    from edgewright.contract.errors import EdgewrightError

    if isinstance(error, typer.Abort):
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
    if isinstance(error, typer.TyperException) and str(error).startswith("Usage:"):  # a group without a verb
        sys.stderr.write(f"{error}\n")
        return 2
    if isinstance(error, typer.TyperException):
        error = _usage_error(error)
    if not isinstance(error, EdgewrightError):
        raise error
    show_error(error, as_json)
    return error.exit_code


def _usage_error(error: typer.TyperException) -> EdgewrightError:
    """What the parser found wrong, as one of ours."""
    from edgewright.contract.errors import UsageError

    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "edgewright"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    parameter = getattr(error, "param", None)
    option = getattr(error, "option_name", None) or max(getattr(parameter, "opts", ()), key=len, default="")
    text = message[:1].lower() + message[1:].rstrip(".")
    return UsageError(text, field=option, hint=f"See `{command} --help`.")
