"""`edgewright optimize`: a version for each kind of hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import version_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import words
from edgewright.cli.output import DryRun, Json, say, say_done, say_next, show_json
from edgewright.cli.progress import RunProgress
from edgewright.cli.verbs.model import show_variants
from edgewright.cli.verbs.run import check_done

if TYPE_CHECKING:
    from edgewright.client import Client

NoWait = Annotated[bool, typer.Option("--no-wait", help="Return once the hub has begun.")]


def optimize(
    reference: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="digits@3; digits means the newest.")],
    target: Annotated[list[str] | None, typer.Option(help="The hardware to optimise for; repeatable.")] = None,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a variant of a version for each target.

    Each is measured on the hold-out of the version's snapshot, and compared with its source.
    """
    with connect() as client:
        targets = _targets(client, target)
        name, number = version_of(client, reference)
        runs = client.optimize(name, number, targets, dry_run=dry_run)
        if no_wait or dry_run:
            if as_json:
                show_json(runs)
            jobs = words(run.id or run.subject for run in runs)
            say_done(f"queued: {jobs}", "edgewright run ls --kind optimize", dry_run=dry_run)
            return
        with RunProgress() as progress:
            ended = client.runs.wait_all([run.id for run in runs], progress)
        variants = client.models.variants(name, number)
    if as_json:
        show_json({"runs": ended, "variants": variants})
    else:
        show_variants(variants, f"{name}@{number}")
        for variant in variants:
            for reason in variant.reasons:
                say(f"{variant.target}: {reason}")
    check_done(ended)
    say_next(f"edgewright release build {name}@{number}")


def _targets(client: Client, chosen: list[str] | None) -> tuple[str, ...]:
    from edgewright.contract.errors import UsageError

    if chosen:
        return tuple(chosen)
    known = words(target.id for target in client.targets())
    raise UsageError("no target is named", field="target", hint=f"Add --target; this hub knows {known}.")
