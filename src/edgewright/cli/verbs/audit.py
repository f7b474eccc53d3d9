"""`edgewright audit`: who did what, and whether the log is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import details, moment
from edgewright.cli.output import Column, Json, refuse, say, show_facts, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import AuditEntry, AuditReport

app = typer.Typer(no_args_is_help=True)


@app.command("ls")
def list_entries(
    after: Annotated[int, typer.Option(help="Only entries with higher numbers.", min=0)] = 0, as_json: Json = False
) -> None:
    """List the audit log."""
    with connect() as client:
        entries = client.audit.entries(after)
    columns: list[Column[AuditEntry]] = [
        ("NO>", lambda one: str(one.number)),
        ("AT", lambda one: moment(one.at)),
        ("WHO", lambda one: one.actor),
        ("DID", lambda one: one.action),
        ("WITH", lambda one: one.subject),
        ("DETAIL", lambda one: details(one.detail)),
    ]
    show_table(entries, columns, as_json=as_json, empty="No entries." if after else "Nothing has been done yet.")


@app.command("verify")
def verify(as_json: Json = False) -> None:
    """Check that no entry was changed, taken out or put in."""
    with connect() as client:
        report = client.audit.verify()
    facts: list[Column[AuditReport]] = [
        ("entries", lambda one: str(one.entries)),
        ("head", lambda one: one.head_sha256),
        ("problem", lambda one: one.problem),
    ]
    show_facts(report, facts, as_json=as_json)
    if not report.is_verified:
        refuse(f"the audit log does not verify: {report.problem}", field="audit")
    say("the audit log verifies")
