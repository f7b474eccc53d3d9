"""`edgewright alert route`: where alerts are told."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import word_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import ago, words
from edgewright.cli.output import Column, DryRun, Json, refuse, say, say_done, show_json, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import MailServer, RouteRecord

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="ROUTE", help="A route's name.")]
VARIABLE = "EDGEWRIGHT_ROUTE_SECRET"


@app.command("set")
def set_route(
    name: Name,
    webhook: Annotated[str, typer.Option(metavar="URL", help="POST signed JSON there.")] = "",
    alertmanager: Annotated[str, typer.Option(metavar="URL", help="Use the API of the Alertmanager there.")] = "",
    mail: Annotated[list[str] | None, typer.Option(metavar="ADDRESS", help="Write to them; repeatable.")] = None,
    server: Annotated[str, typer.Option(metavar="HOST[:PORT]", help="The mail server; port 587 by default.")] = "",
    security: Annotated[str, typer.Option(help="starttls, tls or none.")] = "starttls",
    user: Annotated[str, typer.Option(help="Whom to log in as at the mail server.")] = "",
    sender: Annotated[str, typer.Option(metavar="ADDRESS", help="Whom letters come from.")] = "",
    model: Annotated[list[str] | None, typer.Option(help="Only of this model; repeatable.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; repeatable.")] = None,
    level: Annotated[list[str] | None, typer.Option(help="Only of this level; repeatable.")] = None,
    severity: Annotated[str, typer.Option(help="At least so bad: info, warning or critical.")] = "info",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Set where alerts are told; one of that name is replaced.

    What is secret (a webhook's key, an Alertmanager's token, a mail password) comes from EDGEWRIGHT_ROUTE_SECRET, never
    from the command line. A webhook without one gets a key, which is shown once.
    """
    from edgewright.contract.api import AlertKind, AlertLevel, RouteDraft, RouteKind, Severity
    from edgewright.contract.errors import UsageError

    given = [one for one in (webhook, alertmanager, mail) if one]
    if len(given) != 1:
        raise UsageError(
            "a route goes to one kind of place", field="webhook", hint="--webhook, --alertmanager or --mail"
        )
    chosen = RouteKind.WEBHOOK if webhook else RouteKind.ALERTMANAGER if alertmanager else RouteKind.EMAIL
    draft = RouteDraft(
        name=name,
        kind=chosen,
        url=webhook or alertmanager,
        mail=_server(server, security, user, sender) if mail else None,
        to=tuple(mail or ()),
        secret=os.environ.get(VARIABLE, ""),
        models=tuple(model or ()),
        kinds=tuple(word_of(AlertKind, one, "kind") for one in kind or ()),
        levels=tuple(word_of(AlertLevel, one, "level") for one in level or ()),
        least_severity=word_of(Severity, severity, "severity"),
    )
    with connect() as client:
        record = client.alert_routes.put(draft, dry_run=dry_run)
    if as_json:
        show_json(record)
    elif record.new_secret:
        say(f"its key, shown this once: {record.new_secret}")
    say_done(f"alerts are told by {name}", f"edgewright alert route test {name}", dry_run=dry_run)


@app.command("ls")
def list_routes(as_json: Json = False) -> None:
    """List the routes, and how telling goes."""
    with connect() as client:
        routes = client.alert_routes.list()
    now = time.time()
    columns: list[Column[RouteRecord]] = [
        ("ROUTE", lambda one: one.name),
        ("KIND", lambda one: str(one.kind)),
        ("TO", lambda one: one.url or words(one.to)),
        ("ONLY", _only),
        ("TOLD>", lambda one: str(one.told)),
        ("WAIT>", lambda one: str(one.waiting)),
        ("LAST", lambda one: one.problem or ago(one.last_told_at, now)),
    ]
    empty = "No routes: alerts are seen by those who look. edgewright alert route set --help"
    show_table(routes, columns, as_json=as_json, empty=empty)


@app.command("test")
def try_out(name: Name, as_json: Json = False) -> None:
    """Tell an alert there that is none, now and once."""
    with connect() as client:
        found = client.alert_routes.test(name)
    if as_json:
        show_json(found)
    if found.problem:
        refuse(f"{name} told nobody: {found.problem}", field="route")
    say(f"{name} told it in {found.took_s:.2f} s")


@app.command("rm")
def remove(name: Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Tell nothing there any more."""
    with connect() as client:
        record = client.alert_routes.remove(name, dry_run=dry_run)
    if as_json:
        show_json(record)
    say_done(f"{name} is gone", dry_run=dry_run)


def _server(server: str, security: str, user: str, sender: str) -> MailServer:
    from edgewright.contract.api import MailSecurity, MailServer
    from edgewright.contract.errors import UsageError

    host, _, port = server.partition(":")
    if not host or not sender or (port and not (port.isascii() and port.isdigit())):
        hint = "--server mail.example.org:587 --sender hub@example.org"
        raise UsageError("a letter needs a mail server and a sender", field="server", hint=hint)
    chosen = word_of(MailSecurity, security, "security")
    usual = 465 if chosen is MailSecurity.TLS else 587
    return MailServer(host=host, port=int(port or usual), security=chosen, user=user, sender=sender)


def _only(one: RouteRecord) -> str:
    parts = [*one.models, *one.kinds, *one.levels]
    least = [f"{one.least_severity} or worse"] if one.least_severity.rank else []
    return words([*parts, *least], "everything")
