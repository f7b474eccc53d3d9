"""The database: one engine, short transactions, and what shall happen once a transaction has committed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
import alembic.config
import msgspec
import sqlalchemy as sa

R = TypeVar("R", bound=msgspec.Struct)

PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000")
"""How every SQLite connection of the hub is set up."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every room's `table.py` declares its tables here."""


class Database:
    """Transactions on SQLite (WAL) or PostgreSQL.

    `write()` takes the writer's place at once and commits at the end of the block, or rolls everything back if
    the block raises. `read()` sees one consistent state. A `write()` inside a `write()` of the same thread would
    wait for itself: it is a mistake of ours, and raises RuntimeError.
    """

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url, pool_size=20, max_overflow=20)
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self._writer = threading.Lock()
        self._writing = threading.local()
        if self._is_sqlite:
            sa.event.listen(self.engine, "connect", _set_pragmas)

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A writing transaction."""
        if self.is_writing:
            raise RuntimeError("a write() inside a write(): hand its connection on instead")
        todo: list[Callable[[], None]] = []
        self._writing.is_on = True
        try:
            with self._writer if self._is_sqlite else contextlib.nullcontext(), self._begin("IMMEDIATE") as connection:
                connection.info["after_commit"] = todo
                yield connection
        finally:
            self._writing.is_on = False
        for act in todo:
            act()

    @property
    def is_writing(self) -> bool:
        """Whether this thread is inside a `write()`."""
        return getattr(self._writing, "is_on", False)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A reading transaction."""
        with self._begin("DEFERRED") as connection:
            yield connection

    @contextlib.contextmanager
    def _begin(self, sqlite_mode: str) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            if self._is_sqlite:  # whose driver would begin nothing before the first change
                connection.exec_driver_sql(f"BEGIN {sqlite_mode}")
            with connection.get_transaction() or connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the tables to this release's form (alembic upgrade head)."""
        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["engine"] = self.engine
        alembic.command.upgrade(config, "head")

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def to_record(row: sa.RowMapping, type_: type[R]) -> R:
    """The struct whose fields are columns of `row`, by name."""
    return msgspec.convert({name: row[name] for name in type_.__struct_fields__}, type_)


def after_commit(connection: sa.Connection, act: Callable[[], None]) -> None:
    """Do `act` once this `write()` has committed; never if it rolls back."""
    connection.info["after_commit"].append(act)


@contextlib.contextmanager
def savepoint(connection: sa.Connection) -> Iterator[None]:
    """A part of a `write()` that is rolled back alone if the block raises, with all that it wanted done after it."""
    todo = connection.info["after_commit"]
    count = len(todo)
    try:
        with connection.begin_nested():
            yield
    except BaseException:
        del todo[count:]
        raise


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
