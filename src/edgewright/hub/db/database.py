"""Transactions of the hub: one writer at a time, readers that see one state, and places that one thread holds."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
import alembic.config
import alembic.util
import msgspec
import sqlalchemy as sa

from edgewright.hub.db.engines import NewerDatabase, check_version, key_of, open_engine, told_plainly

R = TypeVar("R", bound=msgspec.Struct)

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
    the block raises. There is one writer at a time, also where several hubs share a PostgreSQL (`is_shared`): what
    was looked up inside the block holds until its end, and numbers given inside are committed in their order.
    `read()` sees one consistent state. A `write()` inside a `write()` of the same thread would wait for itself: it
    is a mistake of ours, and raises RuntimeError.

    Raises WrongDatabase at once; all verbs raise DatabaseAway, DatabaseBusy and, for a value that has no place in
    the tables, DoesNotFit.
    """

    def __init__(self, url: str) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.engine = open_engine(url, self.session_name)
        self.is_shared = self.engine.dialect.name != "sqlite"
        self._writer = threading.Lock()
        self._writing = threading.local()
        self._places: dict[str, threading.Lock] = {}

    @property
    def session_name(self) -> str:
        """How PostgreSQL shows the sessions of this process."""
        return f"edgewright {self.id}"

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A writing transaction."""
        if self.is_writing:
            raise RuntimeError("a write() inside a write(): hand its connection on instead")
        todo: list[Callable[[], None]] = []
        self._writing.is_on = True
        try:
            with self._writer, self._begin("IMMEDIATE") as connection:
                if self.is_shared:
                    connection.execute(_TAKE_WRITERS_PLACE)
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
        with self._begin("DEFERRED", **_ONE_STATE) as connection:
            yield connection

    @contextlib.contextmanager
    def alone(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the place of that name, which one thread of all hubs has at a time.

        Gives False where it is taken and not waited for. It is for work that is too long for a `write()`, or lies
        outside of the database. The place is given back at the end of the block, and by the server when this
        process dies.
        """
        place = self._places.setdefault(name, threading.Lock())
        if not place.acquire(blocking=wait):
            yield False
            return
        try:
            with self._among_hubs(name, wait) if self.is_shared else contextlib.nullcontext(True) as is_mine:
                yield is_mine
        finally:
            place.release()

    @contextlib.contextmanager
    def _among_hubs(self, name: str, wait: bool) -> Iterator[bool]:
        key = key_of(name)
        with told_plainly(self.engine), self.engine.connect() as plain:
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            is_mine = _take(connection, key, wait)
            try:
                yield is_mine
            finally:
                if is_mine and not _give_back(connection, key):
                    connection.invalidate()  # the server gives back what a closed session held

    @contextlib.contextmanager
    def _begin(self, sqlite_mode: str, **options: Any) -> Iterator[sa.Connection]:
        with told_plainly(self.engine), self.engine.connect() as plain:
            if not self.is_shared:  # SQLite's driver would begin nothing before the first change
                plain.exec_driver_sql(f"BEGIN {sqlite_mode}")
            connection = plain.execution_options(**options) if self.is_shared and options else plain
            with connection.get_transaction() or connection.begin():
                yield connection

    def check(self) -> None:
        """Raise DatabaseAway or WrongDatabase unless the database can be reached and used."""
        with told_plainly(self.engine), self.engine.connect() as connection:
            check_version(connection)

    def migrate(self) -> None:
        """Bring the tables to this release's form (alembic upgrade head); raises NewerDatabase."""
        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
        config.attributes["engine"] = self.engine
        with told_plainly(self.engine):
            try:
                alembic.command.upgrade(config, "head")
            except alembic.util.CommandError as error:
                raise NewerDatabase("this database belongs to a newer release", field="database") from error

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


_ONE_STATE = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_TAKE_WRITERS_PLACE = sa.select(sa.func.pg_advisory_xact_lock(key_of("writer")))


def _take(connection: sa.Connection, key: int, wait: bool) -> bool:
    if not wait:
        return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))
    connection.exec_driver_sql("SET lock_timeout = 0")
    connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
    connection.exec_driver_sql("RESET lock_timeout")
    return True


def _give_back(connection: sa.Connection, key: int) -> bool:
    try:
        return bool(connection.scalar(sa.select(sa.func.pg_advisory_unlock(key))))
    except sa.exc.DBAPIError:
        return False


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
