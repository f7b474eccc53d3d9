"""`edgewright worker`: machines that run steps of pipelines for a hub."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import labels_of, seconds_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import ago, moment, pairs, size, words
from edgewright.cli.output import Column, DryRun, Json, say, say_done, show_facts, show_json, show_table
from edgewright.cli.verbs import working

if TYPE_CHECKING:
    from edgewright.contract.api.workers import TaskRecord, WorkerRecord

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A worker's name.")]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The machine's name here.")],
    label: Annotated[
        list[str] | None, typer.Option(help="What it is: gpu=true; repeatable. It cannot say other.")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Whose tasks it may do; repeatable; all by default.")] = None,
    valid: Annotated[str, typer.Option(help="How long its token is good: 30d.")] = "365d",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let a machine run tasks. Its token is shown once, on stdout."""
    from edgewright.contract.api.workers import WorkerDraft

    draft = WorkerDraft(
        name=name,
        labels=labels_of(label or ()),
        models=tuple(model or ()),
        ttl_s=seconds_of(valid, "valid"),
    )
    with connect() as client:
        reply = client.workers.add(draft, dry_run=dry_run)
        hub = client.url
    if as_json:
        show_json(reply)
    elif not dry_run:
        typer.echo(reply.token)
    say_done(
        f"worker {name} may run tasks until {moment(reply.worker.expires_at)}; the line above is its token",
        f"EDGEWRIGHT_WORKER_TOKEN=… edgewright worker run --hub {hub}   (on that machine)",
        dry_run=dry_run,
    )


@app.command("ls")
def list_workers(as_json: Json = False) -> None:
    """List the workers."""
    with connect() as client:
        workers = client.workers.list()
    now = time.time()
    show_table(
        workers,
        [
            ("WORKER", lambda one: one.name),
            ("STATE", lambda one: one.state),
            ("LABELS", lambda one: pairs(one.labels)),
            ("CPUS>", lambda one: str(one.cpus or "")),
            ("TASK", lambda one: one.task),
            ("SEEN", lambda one: ago(one.seen_at, now) if one.seen_at else "never"),
        ],
        as_json=as_json,
        empty="No workers yet. Add one: edgewright worker add NAME --label gpu=true",
    )


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show a worker."""
    with connect() as client:
        worker = client.workers.get(name)
    show_facts(worker, FACTS, as_json=as_json)


@app.command("drain")
def drain(name: Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Give a worker no more work; it ends after the task in hand."""
    with connect() as client:
        worker = client.workers.drain(name, dry_run=dry_run)
    if as_json:
        show_json(worker)
    then = f"ends after {worker.task}" if worker.task else "gets no more work"
    say_done(f"worker {name} {then}", f"edgewright worker rm {name}", dry_run=dry_run)


@app.command("rm")
def remove(name: Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Take a worker's token back at once; what it had waits for another."""
    with connect() as client:
        worker = client.workers.remove(name, dry_run=dry_run)
    if as_json:
        show_json(worker)
    say_done(f"worker {name} is taken off", dry_run=dry_run)


@app.command("tasks")
def list_tasks(as_json: Json = False) -> None:
    """List the steps that are done elsewhere than at the hub."""
    with connect() as client:
        tasks = client.tasks.list()
    now = time.time()
    show_table(tasks, [*TASKS, ("SINCE", lambda one: ago(one.queued_at, now))], as_json=as_json, empty=NO_TASKS)
    if tasks and not as_json and any(one.state == "waiting" for one in tasks):
        say("what waits says for which labels: edgewright worker add NAME --label …")


app.command("run")(working.run)
app.command("once")(working.once)

NO_TASKS = "No tasks yet: a step of a pipeline with where = {gpu = true} makes some."

FACTS: list[Column[WorkerRecord]] = [
    ("worker", lambda one: one.name),
    ("state", lambda one: one.state),
    ("labels", lambda one: pairs(one.labels)),
    ("models", lambda one: words(one.models) or "all"),
    ("task", lambda one: one.task),
    ("machine", lambda one: f"{one.cpus} processors, {size(one.memory_bytes)}" if one.cpus else ""),
    ("program", lambda one: one.program),
    ("seen", lambda one: moment(one.seen_at) if one.seen_at else "never"),
    ("added", lambda one: f"{moment(one.created_at)} by {one.created_by}"),
    ("token until", lambda one: moment(one.expires_at)),
]

TASKS: list[Column[TaskRecord]] = [
    ("TASK", lambda one: one.id),
    ("WHERE", lambda one: f"{one.where.kind} {pairs(one.where.labels)}".rstrip()),
    ("STATE", lambda one: one.state),
    ("BY", lambda one: one.holder),
    ("TRY>", lambda one: str(one.attempt or "")),
    ("WHY", lambda one: one.why),
]
