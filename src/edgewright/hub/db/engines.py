"""Engines on SQLite and on PostgreSQL: how they are opened and set up, and what their drivers' errors mean to us."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from edgewright.contract.errors import Busy, InvalidInput, Refused, Unreachable, UsageError

PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000")
"""How every SQLite connection of the hub is set up."""

SESSION = {
    "lock_timeout": "30000",
    "idle_in_transaction_session_timeout": "60000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""How every PostgreSQL session of the hub is set up: a hub that is gone, or stands still, holds nothing for long."""

CONNECT_TIMEOUT_S = 10
MIN_VERSION = (13, 0)
RETRY_AFTER_S = 2.0
LOCK_NOT_AVAILABLE = "55P03"
NOT_PRIVILEGED = "42501"


class WrongDatabase(UsageError):
    code = "wrong_database"
    hint = "Name one with --database postgresql://USER@HOST/NAME, or leave it out: SQLite in the hub's folder."


class DatabaseAway(Unreachable):
    code = "database_away"
    hint = "Check that the server runs and lets this user in: psql with the same address."


class DatabaseBusy(Busy):
    code = "database_busy"


class NewerDatabase(Refused):
    code = "newer_database"
    hint = "Start a hub of at least the release that used this database last."


class DoesNotFit(InvalidInput):
    """A text or a number that the database has no place for."""

    code = "does_not_fit"


def open_engine(url: str, name: str) -> sa.Engine:
    """An engine on `url`; its sessions bear `name`. Connects to nothing yet; raises WrongDatabase."""
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise WrongDatabase("the database's address is not one that can be read", field="database") from error
    kind = address.get_backend_name()
    if kind == "sqlite":
        engine = sa.create_engine(address, pool_size=20, max_overflow=20)
        sa.event.listen(engine, "connect", _set_pragmas)
        return engine
    if kind not in ("postgresql", "postgres"):
        raise WrongDatabase(f"a hub keeps its records in SQLite or PostgreSQL, not in '{kind}'", field="database")
    return _open_postgresql(address, name)


def key_of(name: str) -> int:
    """The number under which PostgreSQL knows the advisory lock of that name."""
    return int.from_bytes(hashlib.sha256(f"edgewright {name}".encode()).digest()[:8], "big", signed=True)


@contextlib.contextmanager
def told_plainly(engine: sa.Engine) -> Iterator[None]:
    """Translate what the driver raises in the block: DatabaseAway, DatabaseBusy, WrongDatabase, DoesNotFit."""
    try:
        yield
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != NOT_PRIVILEGED:
            raise
        raise WrongDatabase(
            f"the database's user lacks a right: {_first_line(error)}",
            field="database",
            hint="Make that user the owner of the database: ALTER DATABASE NAME OWNER TO USER.",
        ) from error
    except sa.exc.DataError as error:
        raise DoesNotFit(f"a value has no place in the database: {_first_line(error)}") from error
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        if engine.dialect.name == "sqlite":
            raise
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise DatabaseBusy(
                "the database did not come to this change in time", retry_after_s=RETRY_AFTER_S
            ) from error
        raise DatabaseAway(f"no use of the database at {place_of(engine)}: {_first_line(error)}") from error


def check_version(connection: sa.Connection) -> None:
    """Raise WrongDatabase for a PostgreSQL that is too old."""
    version = connection.dialect.server_version_info or MIN_VERSION
    if connection.dialect.name == "postgresql" and version < MIN_VERSION:
        found, needed = (".".join(map(str, one)) for one in (version, MIN_VERSION))
        raise WrongDatabase(
            f"PostgreSQL {found} is too old: a hub needs {needed} or newer",
            field="database",
            hint="Upgrade the server, or name another one with --database.",
        )


def place_of(engine: sa.Engine) -> str:
    """Where the database is, in words without the password."""
    return engine.url.render_as_string(hide_password=True)


def session_of(address: sa.URL, name: str) -> dict[str, Any]:
    """How sessions with that PostgreSQL are to be opened: arguments of its driver."""
    options = " ".join(f"-c {setting}={value}" for setting, value in SESSION.items())
    given = address.query.get("options", "")
    theirs = given if isinstance(given, str) else " ".join(given)
    return {
        "options": f"{options} {theirs}".strip(),
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": name,
    }


def _open_postgresql(address: sa.URL, name: str) -> sa.Engine:
    try:
        return sa.create_engine(
            address.set(drivername="postgresql+psycopg"),
            pool_size=20,
            max_overflow=20,
            pool_pre_ping=True,
            connect_args=session_of(address, name),
        )
    except ModuleNotFoundError as error:
        raise WrongDatabase(
            f"the driver of PostgreSQL is not installed: there is no {error.name}",
            field="database",
            hint="Install it: pip install 'edgewright[hub]'",
        ) from error


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
