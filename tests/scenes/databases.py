"""Databases for tests, with all tables and nothing in them: SQLite files, or those of a PostgreSQL server.

EDGEWRIGHT_TEST_DATABASE=postgresql makes the very same tests run on PostgreSQL; `make test-postgres` does.
"""

from __future__ import annotations

import functools
import itertools
import os
import tempfile
from pathlib import Path

import psycopg
import sqlalchemy as sa
from dbos import DBOS

from edgewright.hub.db import Database
from scenes.postgresql import Server, url_of

KIND = "EDGEWRIGHT_TEST_DATABASE"
SOCKET = "EDGEWRIGHT_TEST_SOCKET"  # of the server that the run has started, for its workers
TEMPLATE = "edgewright_empty"

_urls: dict[Path, str] = {}
_free: list[str] = []
_numbers = itertools.count(1)


def is_postgresql() -> bool:
    """Whether the hubs of these tests keep their records in PostgreSQL."""
    return os.environ.get(KIND, "sqlite") == "postgresql"


def start_server() -> Server:
    """The server of this run, with the database that all others are copies of."""
    server = Server()
    os.environ[SOCKET] = str(server.folder)
    try:
        _make_template(url_of(server.folder, TEMPLATE))
    except BaseException:
        server.stop()
        raise
    return server


def database_url(folder: Path) -> str:
    """The address of an empty database that belongs to `folder`; the same again for the same folder."""
    if not is_postgresql():
        return _sqlite_url(folder)
    if folder not in _urls:
        _urls[folder] = url_of(os.environ[SOCKET], _free.pop() if _free else _create())
    return _urls[folder]


def new_database(folder: Path) -> Database:
    """An empty database that belongs to `folder`."""
    return Database(database_url(folder))


def release(folder: Path) -> None:
    """What belongs to `folder`, or to folders in it, is needed no more."""
    for place in [place for place in _urls if place.is_relative_to(folder)]:
        name = str(sa.make_url(_urls.pop(place)).database)
        _empty(name)
        _free.append(name)


def _make_template(url: str) -> None:
    _tell("postgres", f"CREATE DATABASE {TEMPLATE}")
    db = Database(url)
    db.migrate()
    db.close()
    DBOS.migrate(url)


def _sqlite_url(folder: Path) -> str:
    path = folder / "hub.sqlite"
    if not path.exists():
        path.write_bytes(_empty_file())
    return f"sqlite:///{path}"


@functools.cache
def _empty_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hub.sqlite"
        database = Database(f"sqlite:///{path}")
        database.migrate()
        database.close()
        return path.read_bytes()


def _create() -> str:
    name = f"edgewright_{os.getpid()}_{next(_numbers)}"
    _tell("postgres", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    return name


def _tell(database: str, *commands: str) -> None:
    with psycopg.connect(_plain(database), autocommit=True) as connection:
        for command in commands:
            connection.execute(command)


def _plain(database: str) -> str:
    return url_of(os.environ[SOCKET], database).replace("+psycopg", "")


def _empty(database: str) -> None:
    """As if it were new: whoever still uses it is sent away, all rows go, numbers begin at one."""
    _tell(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "SET session_replication_role = replica",  # rows may go in any order
        _EMPTY_ALL,
    )


_EMPTY_ALL = """
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname IN ('public', 'dbos') AND tablename NOT IN ('alembic_version', 'dbos_migrations')
  LOOP EXECUTE format('DELETE FROM %I.%I', one.schemaname, one.tablename); END LOOP;
  FOR one IN SELECT schemaname, sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
  LOOP EXECUTE format('ALTER SEQUENCE %I.%I RESTART', one.schemaname, one.sequencename); END LOOP;
END $$
"""
