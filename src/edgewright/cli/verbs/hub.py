"""`edgewright hub`: a hub on this machine."""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from edgewright.cli.output import Json, say, say_next, show_json_line
from edgewright.cli.verbs import toolchain

if TYPE_CHECKING:
    from edgewright.contract.api import LoginReply

app = typer.Typer(no_args_is_help=True)
app.add_typer(toolchain.app, name="toolchain")

ADMIN = "admin"


@app.callback()
def hub() -> None:
    """Run a hub on this machine."""


@app.command("up")
def up(
    folder: Annotated[Path, typer.Option("--dir", help="Where the hub keeps everything.")],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at; 0 for a free one.", min=0, max=65535)] = 8080,
    operator: Annotated[
        Path | None, typer.Option(help="Where the operator's keys lie; DIR-operator by default.")
    ] = None,
    admin_password: Annotated[
        str,
        typer.Option(
            envvar="EDGEWRIGHT_ADMIN_PASSWORD", show_envvar=True, help="The administrator's; made up by default."
        ),
    ] = "",
    has_ceremony: Annotated[
        bool,
        typer.Option(
            "--ceremony/--no-ceremony",
            help="Make keys and root at the first start, or wait for `edgewright keys ceremony`.",
        ),
    ] = True,
    database: Annotated[
        str,
        typer.Option(
            envvar="EDGEWRIGHT_HUB_DATABASE_URL",
            show_envvar=True,
            help="postgresql://USER@HOST/NAME, which several hubs may share; SQLite in DIR by default.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Start a hub; at first with keys and an administrator.

    With --json one line tells the address once the hub answers, with the password if it was made up.
    """
    _check_free(host, port)
    _check_parts()
    folder = folder.resolve()
    _check_database(database)
    keys = (operator or folder.with_name(f"{folder.name}-operator")).resolve()
    if has_ceremony:
        _make_keys(folder, keys)
    if not (folder / "tuf" / "1.root.json").exists():
        say("this hub has no root of trust yet: edgewright keys ceremony --ring RING…")
    password = admin_password or secrets.token_urlsafe(12)

    def ready(address: str) -> None:
        facts = {"hub": address, "keys": str(keys)}
        if (login := _make_admin(folder, database, password)) is not None:
            _keep(login, address, keys)
            facts |= {"user": login.user} | ({} if admin_password else {"password": password})
        show_json_line(facts) if as_json else _welcome(facts)

    _serve(folder, database, host, port, ready, keys)


@app.command("alert-rules")
def alert_rules(as_json: Json = False) -> None:
    """Print rules for Prometheus to alert by."""
    import edgewright

    path = Path(edgewright.__file__).parent / "hub" / "web" / "prometheus-rules.yml"
    rules = path.read_text(encoding="utf-8")
    if as_json:
        show_json_line({"rules": rules})
    else:
        sys.stdout.write(rules)


def _serve(folder: Path, database: str, host: str, port: int, ready: Callable[[str], None], keys: Path) -> NoReturn:
    """Serve until SIGINT or SIGTERM, then end the process at once: a run that waits would hold its thread for hours."""
    from edgewright.client.credentials import credentials_path
    from edgewright.hub.settings import Settings
    from edgewright.hub.web import serve

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings(dir=folder, database_url=database, secrets=(keys, credentials_path()))
        serve(settings, host=host, port=port, ready=ready)
    except KeyboardInterrupt:
        pass
    except SystemExit as ending:
        if ending.code:
            raise
    say("the hub has stopped; start it again and it goes on where it was")
    sys.stdout.flush()
    os._exit(0)


def _check_parts() -> None:
    from edgewright.contract.errors import Refused

    try:
        importlib.import_module("edgewright.hub.app")
    except ModuleNotFoundError as error:
        raise Refused(
            f"the hub's parts are not installed: there is no {error.name}",
            hint="Install them: pip install 'edgewright[hub]'",
        ) from error


def _check_free(host: str, port: int) -> None:
    """Raise Refused where nobody can listen at this address."""
    from edgewright.contract.errors import Refused

    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise Refused(
            f"cannot listen at {host}:{port}: {os.strerror(error.errno) if error.errno else error}",
            field="port",
            hint="Another hub may run there; choose another port with --port.",
        ) from error


def _check_database(database: str) -> None:
    """Raise WrongDatabase or DatabaseAway before anything is made."""
    from edgewright.hub.db import Database

    if database:
        db = Database(database)
        db.check()
        db.close()


def _make_keys(folder: Path, operator: Path) -> None:
    """The key ceremony, at the first start; a hub that has served waits for its people."""
    from edgewright.client.keys import ceremony
    from edgewright.hub.folder import has_served, setting_up
    from edgewright.hub.govern import Keys

    with setting_up(folder):
        if has_served(folder):
            return
        online = Keys(folder / "keys").public()
        is_made = ceremony(operator, folder / "tuf", online, datetime.now(UTC))
    if is_made:
        say(f"the operator's keys are in {operator}; keep them away from the hub, and keep a copy")
        say("WARNING: 1 of 1 release keys signs: enough to try, not to sell")


def _make_admin(folder: Path, database: str, password: str) -> LoginReply | None:
    """The first person of a hub, logged in; None where there are people already."""
    from edgewright.contract.api import Role, UserDraft
    from edgewright.hub.db import Database
    from edgewright.hub.govern import Audit, Keys, People
    from edgewright.hub.settings import Settings

    db = Database(Settings(dir=folder, database_url=database).url)
    try:
        with db.alone("admin"):
            people = People(db, Audit(db, time.time, Keys(folder / "keys").audit), time.time)
            if people.users():
                return None
            people.create(ADMIN, UserDraft(name=ADMIN, password=password, roles=(Role.ADMIN,)))
            return people.login(ADMIN, password)
    finally:
        db.close()


def _keep(login: LoginReply, address: str, keys: Path) -> None:
    from edgewright.client import Login
    from edgewright.client.credentials import remember

    place = remember(Login(hub=address, user=login.user, token=login.token, keys=str(keys)))
    say(f"you are logged in as {login.user}; the token is in {place}")


def _welcome(facts: dict[str, str]) -> None:
    if "password" in facts:
        say(f"the password of {facts['user']} is {facts['password']} and is not shown again")
    say(f"the hub answers at {facts['hub']}")
    if "user" in facts:
        say_next("edgewright data snapshot DATASET FOLDER", "edgewright device claim")
