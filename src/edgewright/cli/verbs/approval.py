"""`edgewright approval`: all that waits for people, whichever room asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import ago, moment, words
from edgewright.cli.output import Column, DryRun, Json, say_done, show_facts, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import ApprovalRecord, VoteRecord

app = typer.Typer(no_args_is_help=True)

Approval = Annotated[str, typer.Argument(metavar="APPROVAL", help="As the list names it: promote:digits@3.")]
Digest = Annotated[str, typer.Option(help="Only if it is still about this digest.")]


@app.command("ls")
def list_approvals(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Only this model.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Those that were answered, too.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for people, and who may approve it."""
    with connect() as client:
        found = client.approvals.list("" if all_ else "open", model)
    now = time.time()
    columns: list[Column[ApprovalRecord]] = [
        ("APPROVAL", lambda one: one.id),
        ("STATE", lambda one: one.state),
        ("GIVEN>", lambda one: f"{one.given} of {one.needed}"),
        ("WHO MAY", lambda one: words(one.may, "nobody")),
        ("ASKED", lambda one: ago(one.asked_at, now)),
        ("WHY", lambda one: one.why),
    ]
    show_table(found, columns, as_json=as_json, empty="Nothing waits for anybody.")


@app.command("show")
def show(approval: Approval, as_json: Json = False) -> None:
    """Show what is asked, of which digest, and who has said what."""
    with connect() as client:
        record = client.approvals.get(approval)
    show_facts(record, FACTS, as_json=as_json)


@app.command("approve")
def approve(
    approval: Approval,
    digest: Digest = "",
    why: Annotated[str, typer.Option(help="A word to those who read it later.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Approve something as it is now; who asked for it may not."""
    with connect() as client:
        record = client.approvals.approve(approval, digest=digest, why=why, dry_run=dry_run)
    show_facts(record, FACTS, as_json=as_json)
    say_done(f"{record.id} has {record.given} of {record.needed} approvals", "edgewright approval ls", dry_run=dry_run)


@app.command("reject")
def reject(
    approval: Approval,
    why: Annotated[str, typer.Option(help="What is wrong with it.")] = "",
    digest: Digest = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Reject something, for everybody: what waited stops. A release is then bad for good."""
    with connect() as client:
        record = client.approvals.reject(approval, digest=digest, why=why, dry_run=dry_run)
    show_facts(record, FACTS, as_json=as_json)
    say_done(f"{record.id} is rejected", dry_run=dry_run)


def _vote(vote: VoteRecord) -> str:
    said = "yes" if vote.is_yes else "no"
    told = f"{vote.user} {said} {moment(vote.at)} {vote.why}".rstrip()
    return told if vote.counts else f"{told} (does not count)"


FACTS: list[Column[ApprovalRecord]] = [
    ("approval", lambda one: one.id),
    ("state", lambda one: f"{one.state} {one.reason}".rstrip()),
    ("why", lambda one: one.why),
    ("digest", lambda one: one.digest),
    ("given", lambda one: f"{one.given} of {one.needed}"),
    ("votes", lambda one: "\n".join(map(_vote, one.votes))),
    ("who may", lambda one: words(one.may, "nobody")),
    ("asked by", lambda one: one.author),
    ("run", lambda one: one.run),
]
