"""A PostgreSQL for those tests whose hubs share one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from scenes.postgresql import Server, newest_programs, url_of

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    try:
        newest_programs()
    except RuntimeError as error:
        pytest.skip(str(error))
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def shared_database(postgresql) -> str:
    """The address of a database without any tables."""
    name = f"shared_{next(NUMBERS)}"
    engine = sa.create_engine(url_of(postgresql.folder, "postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url_of(postgresql.folder, name)
