"""`edgewright login` and `edgewright whoami`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import words
from edgewright.cli.output import Json, say, say_next, show_facts, show_json

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def login(
    hub: Annotated[str, typer.Option(help="The hub's address; the one in use by default.")] = "",
    user: Annotated[str, typer.Option(help="Your name at the hub; asked for by default.")] = "",
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Log in at a hub.

    The token is kept in ~/.config/edgewright/credentials.json, which only you can read.
    """
    from edgewright.client import Client, Login
    from edgewright.client.credentials import remember

    with Client(hub or _hub_in_use()) as client:
        client.health()
        name = user or typer.prompt("User", err=True)
        reply = client.login(name, read_password(from_stdin=password_stdin))
        place = remember(Login(hub=client.url, user=reply.user, token=reply.token))
        if as_json:
            show_json({"hub": client.url, "user": reply.user, "roles": reply.roles})
            return
        say(f"{reply.user} ({words(reply.roles)}) at {client.url}; the token is in {place}")
        say_next("edgewright model ls")


def whoami(as_json: Json = False) -> None:
    """Show whom the hub takes you for."""
    with connect() as client:
        person = client.me()
        if as_json:
            show_json({"hub": client.url, "user": person.name, "roles": person.roles})
            return
        show_facts(
            person,
            [
                ("user", lambda one: one.name),
                ("roles", lambda one: words(one.roles)),
                ("hub", lambda _: client.url),
            ],
            as_json=False,
        )


def read_password(*, from_stdin: bool, confirm: bool = False) -> str:
    """A password from the terminal, unseen, or the first line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        from edgewright.contract.errors import UsageError

        raise UsageError(
            "there is no terminal to ask for a password", field="password", hint="Pipe it in with --password-stdin."
        )
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True)
    return password


def _hub_in_use() -> str:
    from edgewright.client.credentials import current

    return os.environ.get("EDGEWRIGHT_HUB") or current().hub
