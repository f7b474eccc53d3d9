"""`edgewright optimize`: studies that search the best variant of a version for each kind of hardware."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import bytes_of, seconds_of, share_of, version_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import words
from edgewright.cli.output import DryRun, Json, refuse, say, say_done, say_next, show_json, show_table
from edgewright.cli.progress import RunProgress
from edgewright.cli.verbs.run import check_done, show_run
from edgewright.cli.verbs.studies import (
    Followed,
    refuse_unmet,
    show_pareto,
    show_study,
    show_trial,
    study_columns,
    trial_of,
)

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import StudyDraft, StudyRecord

app = typer.Typer(no_args_is_help=True)

NoWait = Annotated[bool, typer.Option("--no-wait", help="Return once the hub has begun.")]
Reference = Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="digits@3; digits means the newest.")]
One = Annotated[str, typer.Option(help="The hardware; may be left out where only one was studied.")]


class Axis(StrEnum):
    """What a chart has across: quality is upwards."""

    P95 = "p95"
    SIZE = "size"
    MEMORY = "memory"


@app.command("run")
def run(
    reference: Reference,
    target: Annotated[list[str] | None, typer.Option(help="The hardware to optimise for; repeatable.")] = None,
    budget: Annotated[str, typer.Option(help="How long to search on each target: 90s, 5m, 1h.")] = "5m",
    latency_p95_ms: Annotated[
        float | None, typer.Option(help="At most so many milliseconds a row (p95).", min=0)
    ] = None,
    size: Annotated[str, typer.Option(help="At most so large a file: 250kB.")] = "",
    ram: Annotated[str, typer.Option(help="At most so much memory: 64MB.")] = "",
    max_drop: Annotated[str, typer.Option(help="At most so much worse than the source: 0.5%.")] = "",
    energy_mj: Annotated[float | None, typer.Option(help="At most so many millijoules a row.", min=0)] = None,
    recipe: Annotated[
        list[str] | None, typer.Option(help="Try this: 'clean → static-int8 per_channel=true'; repeatable.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Take every step anew.")] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Do not learn from studies of earlier versions.")
    ] = False,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Search the best variant of a version for each target.

    Recipes are tried and measured until the budget is spent. What is not worse in everything than another stays; of
    these the hub recommends one, which releases take unless you choose another. Limits left out are the target's own.
    """
    from edgewright.contract.api import StudyDraft

    with connect() as client:
        draft = StudyDraft(
            targets=_targets(client, target),
            budget_s=seconds_of(budget, "budget"),
            latency_p95_ms=latency_p95_ms,
            size_bytes=bytes_of(size, "size") if size else None,
            ram_bytes=bytes_of(ram, "ram") if ram else None,
            max_metric_drop=share_of(max_drop, "max-drop") if max_drop else None,
            energy_mj=energy_mj,
            recipes=tuple(recipe or ()),
            use_cache=not no_cache,
            use_history=not no_history,
        )
        name, number = version_of(client, reference)
        if no_wait or dry_run:
            _begin(client, name, number, draft, dry_run=dry_run, as_json=as_json)
        else:
            _follow(client, name, number, draft, as_json=as_json)


@app.command("pareto")
def pareto(
    reference: Reference,
    target: One = "",
    by: Annotated[Axis, typer.Option(help="What the chart has across.")] = Axis.P95,
    as_json: Json = False,
) -> None:
    """Show what can be had for what: a study's front, and the rest."""
    with connect() as client:
        study = _study(client, reference, target)
    show_pareto(study, by, as_json=as_json)


@app.command("explain")
def explain(
    reference: Reference,
    trial: Annotated[str, typer.Argument(metavar="[TRIAL]", help="One trial: t3.")] = "",
    target: One = "",
    as_json: Json = False,
) -> None:
    """Say why one variant is recommended, or all about one trial."""
    with connect() as client:
        study = _study(client, reference, target)
    if trial:
        show_trial(study, trial_of(study, trial), as_json=as_json)
    else:
        show_study(study, as_json=as_json)


@app.command("choose")
def choose(
    reference: Reference,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="A trial of the front: t3.")],
    target: One = "",
    why: Annotated[str, typer.Option(help="Why, for the audit log.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make another trial of the front the variant that releases take."""
    with connect() as client:
        study = _study(client, reference, target)
        name = f"{study.model}@{study.version}"
        variant = client.choose(study.model, study.version, study.target, trial, why=why, dry_run=dry_run)
    if as_json:
        show_json(variant)
    said = f"{trial} is the variant of {name} for {study.target}: {' → '.join(variant.recipe) or 'the source itself'}"
    say_done(said, f"edgewright release build {name}", dry_run=dry_run)


@app.command("ls")
def list_studies(reference: Reference, as_json: Json = False) -> None:
    """List a version's studies, the newest first."""
    with connect() as client:
        name, number = version_of(client, reference)
        studies = client.studies(name, number)
    empty = f"No studies yet. Begin one: edgewright optimize run {name}@{number} --target TARGET"
    show_table(studies, study_columns(time.time()), as_json=as_json, empty=empty)


@app.command("cancel")
def cancel(reference: Reference, target: One = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """End a study that is running; what it has found stays."""
    with connect() as client:
        study = _study(client, reference, target)
        record = client.runs.cancel(study.id, dry_run=dry_run)
    show_run(record, as_json=as_json)
    say_done(f"the study of {study.model}@{study.version} on {study.target} is cancelled", dry_run=dry_run)


def _begin(client: Client, name: str, number: int, draft: StudyDraft, *, dry_run: bool, as_json: bool) -> None:
    runs = client.optimize(name, number, draft, dry_run=dry_run)
    if as_json:
        show_json(runs)
    for one in runs:
        if dry_run and one.log:
            say(f"{one.subject}:\n{one.log.rstrip()}")
    jobs = words(one.id or one.subject for one in runs)
    say_done(f"queued: {jobs}", f"edgewright optimize ls {name}@{number}", dry_run=dry_run)


def _follow(client: Client, name: str, number: int, draft: StudyDraft, *, as_json: bool) -> None:
    """Begin, tell each trial as it ends, and show what came out."""
    runs = client.optimize(name, number, draft)
    with RunProgress() as progress:
        followed = Followed(client, name, number, progress)
        ended = client.runs.wait_all([one.id for one in runs], followed)
    studies = followed.studies(ended)
    if as_json:
        show_json({"runs": ended, "studies": studies, "variants": client.models.variants(name, number)})
    else:
        for study in studies:
            show_pareto(study, Axis.P95, as_json=False)
            for reason in study.reasons:
                say(f"{study.target}: {reason}")
            typer.echo("")
    refuse_unmet(studies)
    check_done(ended)
    say_next(f"edgewright optimize explain {name}@{number}", f"edgewright release build {name}@{number}")


def _targets(client: Client, chosen: list[str] | None) -> tuple[str, ...]:
    from edgewright.contract.errors import UsageError

    if chosen:
        return tuple(chosen)
    known = words(target.id for target in client.targets.list())
    raise UsageError("no target is named", field="target", hint=f"Add --target; this hub knows {known}.")


def _study(client: Client, reference: str, target: str) -> StudyRecord:
    """The newest study of a version on a target, which need not be named where there is but one."""
    name, number = version_of(client, reference)
    if target:
        return client.study(name, number, target)
    studied = list(dict.fromkeys(study.target for study in client.studies(name, number)))
    if len(studied) == 1:
        return client.study(name, number, studied[0])
    if not studied:
        hint = f"edgewright optimize run {name}@{number} --target TARGET"
        refuse(f"{name}@{number} was never optimised", field="target", hint=hint)
    from edgewright.contract.errors import UsageError

    message = f"{name}@{number} was optimised for several targets"
    raise UsageError(message, field="target", hint=f"Add --target: {words(studied)}.")
