"""`edgewright rollout plan` and `edgewright release fit`: what would happen, before anything does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import release_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, duration, moment, numbers, share, size, words
from edgewright.cli.output import Column, Json, refuse, say, say_next, say_warnings, show_facts, show_json, show_table
from edgewright.cli.verbs.rollout_options import Options, with_options

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import (
        ClassFigure,
        FitRecord,
        Misfit,
        MisfitGroup,
        MisfitPage,
        PackageFit,
        PlannedWaveRecord,
        RolloutDraft,
        RolloutPlan,
        SiteCap,
        SiteForecast,
    )

WORST = 5
Release = Annotated[str, typer.Argument(metavar="MODEL/COUNTER", help="What to deliver: digits/4.")]
Group = Annotated[str, typer.Option(help="Of this group; of all devices by default.")]
Misfits = Annotated[bool, typer.Option("--misfits", help="List every device that gets nothing, and why.")]
After = Annotated[str, typer.Option(help="Of --misfits: go on where a page has ended.")]
Limit = Annotated[int, typer.Option(help="Of --misfits: how many.", min=1, max=1000)]


@with_options
def plan(
    release: Release = "",
    write: Annotated[Path | None, typer.Option(help="Write the plan into this file, as TOML.", dir_okay=False)] = None,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="Play it on a copy of this fleet.")] = False,
    badness: Annotated[
        list[str] | None, typer.Option(help="What is wrong with the bad release of a rehearsal; all by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of a rehearsal.", min=0)] = 0,
    max_devices: Annotated[int, typer.Option(help="A rehearsal scales larger fleets down.", min=1)] = 1000,
    misfits: Misfits = False,
    after: After = "",
    limit: Limit = 200,
    as_json: Json = False,
    *,
    options: Options,
) -> None:
    """Say what a rollout would do, and start nothing.

    Which device gets what in which wave, who gets nothing and why, bytes, times, and what speaks against it.
    """
    draft = options.draft(release)
    with connect() as client:
        if rehearse:
            _rehearse(client, draft, badness or (), seed, max_devices, as_json=as_json)
            return
        if misfits:
            page = client.rollouts.left_out(draft, after=after, limit=limit)
            show_misfits(page, "edgewright rollout plan … with the same options", as_json=as_json)
            return
        found = client.rollouts.plan(draft)
    if write is not None:
        _write(write, found.draft)
    if as_json:
        show_json(found)
    else:
        show_plan(found)
    if not as_json and has_more(found.misfits):
        say_next("edgewright rollout plan … --misfits with the same options")
    say_next(
        f"edgewright rollout start --file {write}" if write else "edgewright rollout start … with the same options"
    )


def fit(
    reference: Annotated[str, typer.Argument(metavar="MODEL/COUNTER")],
    group: Group = "",
    misfits: Misfits = False,
    after: After = "",
    limit: Limit = 200,
    as_json: Json = False,
) -> None:
    """Say which devices a release fits.

    For the others it says why not, with --misfits device by device.
    """
    again = f"edgewright release fit {reference}{f' --group {group}' if group else ''}"
    with connect() as client:
        if misfits:
            page = client.releases.misfits(*release_of(reference), group=group, after=after, limit=limit)
            show_misfits(page, again, as_json=as_json)
            return
        found = client.releases.fit(*release_of(reference), group=group)
    if as_json:
        show_json(found)
    else:
        show_fit(found)
        if has_more(found.misfits):
            say_next(f"{again} --misfits")
    if not found.fitting:
        where = f"group '{group}'" if group else "fleet"
        hint = "Make a variant that fits: edgewright optimize run MODEL@VERSION --target TARGET"
        refuse(f"{found.release} fits no device of the {where}", field="release", hint=hint)


def show_plan(found: RolloutPlan) -> None:
    """A plan in words and tables."""
    show_facts(found, PLAN_FACTS, as_json=False)
    show_table(found.waves, WAVE_COLUMNS, as_json=False, empty="")
    if len(found.sites) > 1:
        say(f"\nthe {min(WORST, len(found.sites))} of {counted(found.site_count, found.per)} with the most bytes")
        show_table(found.sites[:WORST], SITE_COLUMNS, as_json=False, empty="")
    _show_misfits(found.misfits)
    say_warnings(found.warnings)


def show_misfits(page: MisfitPage, again: str, *, as_json: bool) -> None:
    """Devices that get nothing; `again` is the command that asks for the next ones, without its --misfits."""
    if as_json:
        show_json(page)
        return
    show_table(page.misfits, EACH_MISFIT_COLUMNS, as_json=False, empty="No such devices.")
    if page.after:
        say_next(f"{again} --misfits --after {page.after}")


def has_more(misfits: Sequence[MisfitGroup]) -> bool:
    """Whether a table with one device for each reason leaves any out."""
    return any(one.count > 1 for one in misfits)


def show_fit(found: FitRecord) -> None:
    """Which devices a release fits, package by package."""
    show_facts(found, FIT_FACTS, as_json=False)
    show_table(found.packages, PACKAGE_COLUMNS, as_json=False, empty="The release has no packages.")
    figures = [(package, figure) for package in found.packages for figure in package.figures]
    if figures:
        say("\nwhat they take, by hardware")
        show_table(figures, FIGURE_COLUMNS, as_json=False, empty="")
    _show_misfits(found.misfits)
    say_warnings(found.warnings)


def _rehearse(
    client: Client, draft: RolloutDraft, badness: Sequence[str], seed: int, max_devices: int, *, as_json: bool
) -> None:
    from edgewright.cli.verbs.rehearsal import rehearse
    from edgewright.contract.api import Badness, RehearsalDraft
    from edgewright.contract.errors import UsageError

    known = [one.value for one in Badness]
    if unknown := [name for name in badness if name not in known]:
        hint = f"Known are {', '.join(known)}."
        raise UsageError(f"no release is bad as '{unknown[0]}'", field="badness", hint=hint)
    wanted = tuple(map(Badness, badness)) or tuple(Badness)
    played = RehearsalDraft(rollout=draft, badness=wanted, seed=seed, max_devices=max_devices)
    rehearse(client, played, as_json=as_json)


def _show_misfits(misfits: Sequence[MisfitGroup]) -> None:
    if misfits:
        say("\nwho gets nothing, and why")
        show_table(misfits, MISFIT_COLUMNS, as_json=False, empty="")


def _write(path: Path, draft: RolloutDraft) -> None:
    from edgewright.client import rollout_file

    path.write_text(rollout_file.write(draft), encoding="utf-8")
    say(f"the plan is in {path}")


def _shares(found: RolloutPlan) -> str:
    refused = found.devices - found.planned - found.already
    return f"{found.planned}; {found.already} run it already, {refused} get nothing"


def _opening(found: RolloutPlan) -> str:
    first, last = found.openings[0], found.openings[-1]
    if last.opens_at == first.opens_at:
        return moment(found.begins_at)
    return f"{moment(found.begins_at)}; the last at {moment(last.opens_at)} ({last.time_zone or 'UTC'})"


def _budgets(found: RolloutPlan) -> str:
    return "\n".join(
        f"at most {one.max_unavailable} of a {one.per} at a time: {counted(one.sites, one.per)},"
        f" the largest with {counted(one.largest, 'device')}: at least {counted(one.turns, 'turn')}"
        for one in found.budgets
    )


def _caps(found: RolloutPlan) -> str:
    return "\n".join(f"each {cap.per}: {' and '.join(_cap(cap))}" for cap in found.draft.caps)


def _cap(cap: SiteCap) -> Iterator[str]:
    if cap.max_at_once:
        yield f"{cap.max_at_once} at once"
    if cap.bytes_s:
        yield f"{size(round(cap.bytes_s))}/s"


def _gate(wave: PlannedWaveRecord) -> str:
    said = [f"{wave.gate.max_failed} may fail, {share(wave.gate.min_reported)} must report"]
    if wave.soak_s:
        said.append(f"soak {duration(wave.soak_s)}")
    if wave.needs_promotion:
        said.append("then a person")
    return ", ".join(said)


PLAN_FACTS: list[Column[RolloutPlan]] = [
    ("release", lambda one: one.release),
    ("group", lambda one: f"{one.group}, {counted(one.devices, 'device')}"),
    ("gets it", lambda one: _shares(one)),
    ("bytes", lambda one: f"{size(one.sent_bytes)} instead of {size(one.full_bytes)}"),
    ("begins", _opening),
    ("windows", lambda one: "\n".join(one.draft.schedule.windows)),
    ("budgets", _budgets),
    ("caps", _caps),
    ("takes", lambda one: f"at least {duration(one.least_s)}: soaks and lines alone" if one.least_s else ""),
    ("emergency", lambda one: one.draft.emergency),
]

WAVE_COLUMNS: list[Column[PlannedWaveRecord]] = [
    ("WAVE>", lambda one: str(one.number)),
    ("ASKED", lambda one: one.asked),
    ("DEVICES>", lambda one: str(one.size)),
    ("SITES>", lambda one: str(one.sites)),
    ("TARGETS", lambda one: numbers({name: float(count) for name, count in one.targets.items()})),
    ("BYTES>", lambda one: size(one.sent_bytes)),
    ("GATE", _gate),
]

SITE_COLUMNS: list[Column[SiteForecast]] = [
    ("SITE", lambda one: one.site or "(none)"),
    ("DEVICES>", lambda one: str(one.devices)),
    ("BYTES>", lambda one: size(one.sent_bytes)),
    ("AT LEAST>", lambda one: duration(one.least_s) if one.least_s else ""),
]

MISFIT_COLUMNS: list[Column[MisfitGroup]] = [
    ("SUCH AS", lambda one: words(one.devices[:1])),
    ("DEVICES>", lambda one: str(one.count)),
    ("REASON", lambda one: one.reason),
]

EACH_MISFIT_COLUMNS: list[Column[Misfit]] = [
    ("DEVICE", lambda one: one.device),
    ("NAME", lambda one: one.name),
    ("REASON", lambda one: one.reason),
]

FIT_FACTS: list[Column[FitRecord]] = [
    ("release", lambda one: one.release),
    ("group", lambda one: one.group or "every device in service"),
    ("fits", lambda one: f"{one.fitting} of {counted(one.devices, 'device')}"),
]

PACKAGE_COLUMNS: list[Column[PackageFit]] = [
    ("TARGET", lambda one: one.target),
    ("BYTES>", lambda one: size(one.size_bytes)),
    ("COULD RUN IT>", lambda one: str(one.fitting)),
    ("WOULD GET IT>", lambda one: str(one.chosen)),
    ("BUDGET", lambda one: f"{one.latency_budget_ms:.3g} ms, {size(one.memory_budget_bytes)}"),
]

FIGURE_COLUMNS: list[Column[tuple[PackageFit, ClassFigure]]] = [
    ("HARDWARE", lambda one: one[1].hardware),
    ("TARGET", lambda one: one[0].target),
    ("FITS>", lambda one: f"{one[1].fitting} of {one[1].devices}"),
    ("P95>", lambda one: f"{one[1].latency_p95_ms:.3g} ms"),
    ("MEMORY>", lambda one: size(one[1].memory_bytes)),
    ("TOLD BY", lambda one: _told_by(one[1])),
]

_PLACES = {"hub": "measured on the hub", "emulator": "measured in an emulator", "estimate": "estimated only"}


def _told_by(figure: ClassFigure) -> str:
    if figure.measured_on:
        return f"{counted(figure.measured_on, 'device')} of it"
    return _PLACES.get(figure.place, "devices of other hardware")
