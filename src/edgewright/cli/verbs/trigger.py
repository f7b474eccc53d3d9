"""`edgewright trigger`: what starts runs of a model's pipeline by itself, and why it did or did not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli.arguments import seconds_of
from edgewright.cli.connection import connect, read_project
from edgewright.cli.formats import ago, counted, duration, moment, words
from edgewright.cli.output import Column, DryRun, Json, say, say_done, say_next, show_facts, show_json, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import OccasionRecord, TriggerDraft, TriggerRecord, When

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The trigger.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]
Many = list[str]


@app.command("set")
def set_trigger(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Whose pipeline it starts.")] = "",
    project: Annotated[Path | None, typer.Option(help="Set all [[trigger]] tables of this project instead.")] = None,
    name: Annotated[str, typer.Option(help="Its name; by default MODEL-KIND.")] = "",
    on: Annotated[str, typer.Option(help="request, time, data, code or monitoring.")] = "monitoring",
    cron: Annotated[str, typer.Option(help="time: '0 3 * * mon-fri'.")] = "",
    labels: Annotated[int, typer.Option(help="data: after so many new labels.")] = 0,
    dataset: Annotated[str, typer.Option(help="data: with a new snapshot of it.")] = "",
    forge: Annotated[str, typer.Option(help="code: github or gitlab.")] = "github",
    branch: Annotated[Many | None, typer.Option(help="code: of these branches, like 'release/*'.")] = None,
    path: Annotated[Many | None, typer.Option(help="code: that change one of these, like 'train/*'.")] = None,
    kind: Annotated[Many | None, typer.Option(help="monitoring: of this kind, like data_drift.")] = None,
    level: Annotated[Many | None, typer.Option(help="monitoring: device, cohort, version, fleet.")] = None,
    segment: Annotated[Many | None, typer.Option(help="monitoring: of this segment, like 'site=*'.")] = None,
    severity: Annotated[Many | None, typer.Option(help="monitoring: info, warning, critical.")] = None,
    time_zone: Annotated[str, typer.Option(help="Of --cron and --quiet-hours.")] = "UTC",
    debounce: Annotated[str, typer.Option(help="Wait until nothing more comes for so long: 10min.")] = "0s",
    cooldown: Annotated[str, typer.Option(help="From the begin of a run to that of the next.")] = "1h",
    max_runs: Annotated[int, typer.Option(help="The budget: so many runs in a period.")] = 10,
    period: Annotated[str, typer.Option(help="The budget's period.")] = "30d",
    max_concurrent: Annotated[int, typer.Option(help="So many runs on the model at once.")] = 1,
    quiet_hours: Annotated[Many | None, typer.Option(help="Not then: 'mon-fri 08:00-18:00'.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Set a trigger; again: history and budget stay."""
    given: dict[str, Any] = {"cron": cron, "time_zone": time_zone, "labels": labels, "dataset": dataset}
    given |= {"forge": forge, "branches": branch, "paths": path}
    given |= {"kinds": kind, "levels": level, "segments": segment, "severities": severity}
    limits: dict[str, Any] = {"max_runs": max_runs, "max_concurrent": max_concurrent, "time_zone": time_zone}
    limits |= {"debounce_s": seconds_of(debounce, "debounce"), "cooldown_s": seconds_of(cooldown, "cooldown")}
    limits |= {"period_s": seconds_of(period, "period"), "quiet_hours": tuple(quiet_hours or ())}
    drafts = _of_project(project, model) if project else (_draft(model, name, on, given, limits),)
    with connect() as client:
        set_ = [client.triggers.put(draft, dry_run=dry_run) for draft in drafts]
    if as_json:
        show_json(set_)
        return
    for trigger in set_:
        show_facts(trigger, FACTS, as_json=False)
    names = words(trigger.name for trigger in set_)
    say_done(f"{names}: set", f"edgewright trigger show {set_[0].name}", dry_run=dry_run)


@app.command("ls")
def list_triggers(model: Annotated[str, typer.Option(help="Those of one model.")] = "", as_json: Json = False) -> None:
    """List the triggers and their last decisions."""
    import time

    with connect() as client:
        triggers = client.triggers.list(model)
    now = time.time()
    columns: list[Column[TriggerRecord]] = [
        ("NAME", lambda one: one.name),
        ("MODEL", lambda one: one.model),
        ("ON", lambda one: "paused" if one.is_paused else _tag(one.draft.when)),
        ("RUNS>", lambda one: f"{one.runs} of {one.draft.max_runs}"),
        ("FIRED", lambda one: ago(one.last_fired_at, now)),
        ("LAST DECISION", lambda one: _told(one.last)),
    ]
    show_table(triggers, columns, as_json=as_json, empty="No triggers yet. Set one: edgewright trigger set MODEL")


@app.command("show")
def show_trigger(name: Name, as_json: Json = False) -> None:
    """Show a trigger: its limits, what waits, its last runs."""
    with connect() as client:
        trigger = client.triggers.get(name)
        newest = () if as_json else client.triggers.history(name, limit=5)
    show_facts(trigger, FACTS, as_json=as_json)
    if newest:
        show_table(newest, HISTORY, as_json=False, empty="")


@app.command("history")
def show_history(
    name: Name,
    state: Annotated[str, typer.Option(help="fired, not_fired, joined or waiting.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    """Tell of each occasion why it fired, or why not."""
    with connect() as client:
        occasions = client.triggers.history(name, limit=limit, state=state)
    show_table(occasions, HISTORY, as_json=as_json, empty=f"Nothing has happened yet that {name} watches for.")


@app.command("fire")
def fire_trigger(
    name: Name,
    why: Annotated[str, typer.Option(help="Why; kept with the run.")] = "",
    key: Annotated[str, typer.Option(help="The same key again asks for nothing new.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Ask for a run now, within the limits; exit 1 if refused."""
    with connect() as client:
        occasion = client.triggers.fire(name, why, key=key, dry_run=dry_run)
    show_facts(occasion, OCCASION, as_json=as_json)
    if occasion.state == "not_fired":
        raise typer.Exit(1)
    if occasion.run:
        say_next(f"edgewright run show {occasion.run}")


@app.command("pause")
def pause_trigger(name: Name, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Let a trigger fire no more."""
    with connect() as client:
        trigger = client.triggers.pause(name, reason, dry_run=dry_run)
    show_facts(trigger, FACTS, as_json=as_json)
    say_done(f"{name} is paused", f"edgewright trigger resume {name}", dry_run=dry_run)


@app.command("resume")
def resume_trigger(name: Name, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Let a paused trigger fire again."""
    with connect() as client:
        trigger = client.triggers.resume(name, reason, dry_run=dry_run)
    show_facts(trigger, FACTS, as_json=as_json)
    say_done(f"{name} is at work again", dry_run=dry_run)


@app.command("secret")
def new_secret(name: Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Make a new secret for its webhook, shown this once."""
    with connect() as client:
        trigger = client.triggers.new_secret(name, dry_run=dry_run)
    show_facts(trigger, FACTS, as_json=as_json)
    say_done("the former secret is good no more", dry_run=dry_run)


@app.command("rm")
def remove_trigger(name: Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Forget a trigger and its history; its runs go on."""
    with connect() as client:
        trigger = client.triggers.remove(name, dry_run=dry_run)
    show_facts(trigger, FACTS, as_json=as_json)
    for run in trigger.active:
        say(f"{run} goes on; end it: edgewright run cancel {run}")
    say_done(f"{name} is gone", dry_run=dry_run)


def _of_project(project: Path, model: str) -> tuple[TriggerDraft, ...]:
    from edgewright.contract.errors import InvalidInput, UsageError

    drafts, own = read_project(project).triggers(), read_project(project).model
    if model not in ("", own):
        raise UsageError(f"the project's model is {own}, not {model}", field="model")
    if not drafts:
        hint = 'Add one: [[trigger]] with name = "…" and when = { on = "monitoring" }.'
        raise InvalidInput(f"{project} has no [[trigger]] table", field="trigger", hint=hint)
    return drafts


def _draft(model: str, name: str, on: str, given: dict[str, Any], limits: dict[str, Any]) -> TriggerDraft:
    import msgspec

    from edgewright.contract.api import TriggerDraft
    from edgewright.contract.errors import InvalidInput, UsageError

    if not model:
        raise UsageError("no model is named", field="model", hint="Name it, or its project: --project DIR.")
    told = {key: value for key, value in given.items() if value and key in _keys_of(on)}
    if on == "time" and "cron" not in told:
        raise UsageError("no schedule is named", field="cron", hint="Say when: --cron '0 3 * * mon-fri'.")
    facts = {"name": name or f"{model}-{on}", "model": model, "when": {"on": on, **told}, **limits}
    try:
        return msgspec.convert(facts, TriggerDraft)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at ")
        field = at.strip("`").removeprefix("$.")
        raise InvalidInput(f"{what[:1].lower()}{what[1:]}", field=field, hint=_choices(field)) from error


def _keys_of(on: str) -> tuple[str, ...]:
    from typing import get_args

    from edgewright.contract.api import When

    kinds = {kind.__struct_config__.tag: kind.__struct_fields__ for kind in get_args(When)}
    return tuple(kinds.get(on, ()))


def _choices(field: str) -> str:
    from edgewright.contract.api import AlertKind, AlertLevel, Forge, Severity

    known: dict[str, Any] = {"kinds": AlertKind, "levels": AlertLevel, "severities": Severity, "forge": Forge}
    for name, kind in known.items():
        if f"when.{name}" in field:
            return f"Choose from {words(kind)}."
    return "Choose from request, time, data, code, monitoring." if field.startswith("when") else ""


def _tag(when: When) -> str:
    return str(when.__struct_config__.tag)


def _condition(when: When) -> str:
    import msgspec

    facts = {name: value for name, value in msgspec.to_builtins(when).items() if value and name != "on"}
    told = "; ".join(
        f"{name} {words(value) if isinstance(value, list | tuple) else value}" for name, value in facts.items()
    )
    return f"{_tag(when)}: {told}" if told else _tag(when)


def _limits(draft: TriggerDraft) -> str:
    debounce = f"debounce {duration(draft.debounce_s)}, " if draft.debounce_s else ""
    at_once = f", {draft.max_concurrent} at once" if draft.max_concurrent > 1 else ""
    return f"{debounce}cooldown {duration(draft.cooldown_s)}{at_once}"


def _told(occasion: OccasionRecord | None) -> str:
    return f"{occasion.state.replace('_', ' ')}: {occasion.what}: {occasion.why}" if occasion else ""


def _forecast(trigger: TriggerRecord) -> str:
    told = trigger.forecast
    if told is None:
        return ""
    fired, since = counted(told.fired, "time"), moment(told.since)[:10]
    return f"would have fired {fired} since {since}, on {counted(told.occasions, 'occasion')}"


FACTS: list[Column[TriggerRecord]] = [
    ("name", lambda one: one.name),
    ("model", lambda one: one.model),
    ("on", lambda one: _condition(one.draft.when)),
    ("state", lambda one: "paused" if one.is_paused else ""),
    ("limits", lambda one: _limits(one.draft)),
    ("budget", lambda one: f"{one.runs} of {one.draft.max_runs} runs in {duration(one.draft.period_s)} used"),
    ("quiet", lambda one: f"{words(one.draft.quiet_hours)} {one.draft.time_zone}" if one.draft.quiet_hours else ""),
    ("labels", lambda one: f"{one.labels} new" if one.labels else ""),
    ("set by", lambda one: one.created_by),
    ("at work", lambda one: words(one.active)),
    ("fired", lambda one: moment(one.last_fired_at)),
    ("next", lambda one: moment(one.next_at)),
    ("waiting", lambda one: f"{one.waiting.what}: {one.waiting.why}" if one.waiting else ""),
    ("last", lambda one: _told(one.last)),
    ("forecast", _forecast),
    ("webhook", lambda one: one.hook),
    ("secret", lambda one: f"{one.secret} (shown this once)" if one.secret else ""),
]
OCCASION: list[Column[OccasionRecord]] = [
    ("trigger", lambda one: one.trigger),
    ("occasion", lambda one: one.what),
    ("state", lambda one: one.state.replace("_", " ")),
    ("why", lambda one: one.why),
    ("again at", lambda one: moment(one.due_at)),
    ("run", lambda one: one.run),
]
HISTORY: list[Column[OccasionRecord]] = [
    ("AT", lambda one: moment(one.at)),
    ("STATE", lambda one: one.state.replace("_", " ")),
    ("OCCASION", lambda one: one.what),
    ("WHY", lambda one: one.why),
    ("RUN", lambda one: one.run),
]
