"""`edgewright user`: the people of a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import words
from edgewright.cli.output import DryRun, Json, say_done, show_json, show_table
from edgewright.cli.verbs.login import PasswordStdin, read_password

if TYPE_CHECKING:
    from edgewright.contract.api import Role

app = typer.Typer(no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new person's name.")],
    role: Annotated[list[str], typer.Option(help="admin, engineer, operator, approver or viewer; repeatable.")],
    password_stdin: PasswordStdin = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Add a person."""
    from edgewright.contract.api import UserDraft

    roles = _roles(role)
    with connect() as client:
        password = read_password(from_stdin=password_stdin, confirm=True)
        person = client.users.create(UserDraft(name=name, password=password, roles=roles), dry_run=dry_run)
    if as_json:
        show_json(person)
    say_done(f"{person.name} is {words(person.roles)}", f"edgewright login --user {person.name}", dry_run=dry_run)


@app.command("ls")
def list_users(as_json: Json = False) -> None:
    """List the people."""
    with connect() as client:
        people = client.users.list()
    columns = [("NAME", lambda one: one.name), ("ROLES", lambda one: words(one.roles))]
    show_table(
        people, columns, as_json=as_json, empty="No users yet. Add one: edgewright user create NAME --role viewer"
    )


def _roles(names: list[str]) -> tuple[Role, ...]:
    from edgewright.contract.api import Role
    from edgewright.contract.errors import UsageError

    try:
        return tuple(Role(name) for name in names)
    except ValueError as error:
        raise UsageError(f"{error}", field="role", hint=f"The roles are {words(Role)}.") from error
