"""`edgewright bench`: packages measured by real devices, without being installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import release_of, seconds_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, moment, size, words
from edgewright.cli.output import (
    Column,
    DryRun,
    Json,
    build_table,
    console,
    refuse,
    say,
    say_done,
    show_facts,
    show_json,
    show_json_line,
    show_table,
)

if TYPE_CHECKING:
    from edgewright.contract.api import BenchRecord, MeasurementRecord

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="BENCH", help="A bench's id.")]


@app.command("start")
def start(
    releases: Annotated[list[str], typer.Argument(metavar="MODEL/COUNTER...", help="What to measure: digits/4.")],
    device: Annotated[
        list[str] | None, typer.Option(help="By this device; repeatable. By default, one per target.")
    ] = None,
    target: Annotated[list[str] | None, typer.Option(help="Only the package for this target; repeatable.")] = None,
    per_target: Annotated[int, typer.Option(help="By how many devices of each target.", min=1)] = 1,
    calls: Annotated[int, typer.Option(help="How many requests to time.", min=1)] = 1000,
    ttl: Annotated[str, typer.Option(help="How long to wait for devices: 15min, 1h, 2d.")] = "1d",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have devices measure packages of signed releases.

    Nothing is installed. A device measures when it has nothing else to do.
    """
    from edgewright.contract.api import BenchDraft

    for release in releases:
        release_of(release)
    draft = BenchDraft(
        releases=tuple(releases),
        devices=tuple(device or ()),
        targets=tuple(target or ()),
        per_target=per_target,
        calls=calls,
        ttl_s=seconds_of(ttl, "ttl"),
    )
    with connect() as client:
        bench = client.benches.start(draft, dry_run=dry_run)
    _show(bench, as_json=as_json)
    asked = counted(len(bench.measurements), "measurement")
    say_done(f"{bench.id} asks for {asked}", f"edgewright bench watch {bench.id}", dry_run=dry_run)


@app.command("watch")
def watch(id: Id, as_json: Json = False) -> None:
    """Follow a bench until no device is waited for.

    With --json there is one line of JSON for every change.
    """
    with connect() as client:
        bench = _watched(client.benches.watch(id), as_json=as_json)
    if not as_json:
        _show(bench, as_json=False)
    bad = [one for one in bench.measurements if one.state != "done"]
    if bad:
        refuse(
            f"{len(bad)} of {counted(len(bench.measurements), 'measurement')} did not come about",
            field=f"bench {id}",
            hint=f"See why: edgewright bench show {id}",
        )


@app.command("show")
def show(id: Id, as_json: Json = False) -> None:
    """Show a bench, and what each device measured."""
    with connect() as client:
        bench = client.benches.get(id)
    _show(bench, as_json=as_json)


@app.command("ls")
def list_benches(as_json: Json = False) -> None:
    """List the benches."""
    with connect() as client:
        benches = client.benches.list()
    columns: list[Column[BenchRecord]] = [
        ("BENCH", lambda one: one.id),
        ("RELEASES", lambda one: words(one.releases)),
        ("MEASURED", _progress),
        ("STARTED", lambda one: moment(one.created_at)),
        ("BY", lambda one: one.created_by),
    ]
    empty = "No benches yet. Start one: edgewright bench start MODEL/COUNTER"
    show_table(benches, columns, as_json=as_json, empty=empty)


@app.command("cancel")
def cancel(id: Id, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Ask no further device; what was measured stays."""
    with connect() as client:
        bench = client.benches.cancel(id, dry_run=dry_run)
    if as_json:
        show_json(bench)
    say_done(f"{id} is over: {_progress(bench)} measured", dry_run=dry_run)


def _show(bench: BenchRecord, *, as_json: bool) -> None:
    if as_json:
        show_json(bench)
        return
    show_facts(bench, FACTS, as_json=False)
    show_table(bench.measurements, COLUMNS, as_json=False, empty="Nothing is measured.")
    if told := [one for one in bench.measurements if one.reason]:
        show_table(told, REASONS, as_json=False, empty="")


def _watched(benches: Iterable[BenchRecord], *, as_json: bool) -> BenchRecord:
    """Show each state until the last, which is returned: a live table, lines off a terminal, or JSON."""
    talk = console(is_talk=True)
    if not as_json and talk.is_terminal:
        from rich.live import Live

        with Live(console=talk, auto_refresh=False, transient=True) as live:
            for bench in benches:
                live.update(build_table(bench.measurements, COLUMNS), refresh=True)
        return bench
    for bench in benches:
        if as_json:
            show_json_line(bench)
        else:
            say(f"{bench.id}: {_progress(bench)} measured")
    return bench


def _progress(bench: BenchRecord) -> str:
    done = sum(one.state == "done" for one in bench.measurements)
    return f"{done} of {len(bench.measurements)}"


def _time(ms: float) -> str:
    """Three digits, in microseconds below a millisecond."""
    return "" if not ms else f"{ms:.3g} ms" if ms >= 1 else f"{1000 * ms:.3g} µs"


FACTS: list[Column[BenchRecord]] = [
    ("bench", lambda one: one.id),
    ("releases", lambda one: words(one.releases)),
    ("requests", lambda one: str(one.calls)),
    ("waits until", lambda one: "" if one.is_over else moment(one.expires_at)),
    ("left out", lambda one: "\n".join(f"{name}: {why}" for name, why in one.skipped.items())),
    ("by", lambda one: one.created_by),
]

COLUMNS: list[Column[MeasurementRecord]] = [
    ("DEVICE", lambda one: one.device_name),
    ("RELEASE", lambda one: one.release),
    ("TARGET", lambda one: one.target),
    ("STATE", lambda one: one.state),
    ("P50>", lambda one: _time(one.latency_p50_ms)),
    ("P95>", lambda one: _time(one.latency_p95_ms)),
    ("MEMORY>", lambda one: size(one.memory_bytes) if one.memory_bytes else ""),
    ("RUNTIME", lambda one: one.runtime),
]

REASONS: list[Column[MeasurementRecord]] = [
    ("DEVICE", lambda one: one.device_name),
    ("REASON", lambda one: one.reason),
]
