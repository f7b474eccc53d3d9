"""Where the hubs of a bench keep their records: SQLite in their own folders, or a PostgreSQL that is started for them.

That is Debian's package, as it comes but for the number of connections: it syncs each commit, as SQLite does not (there
a commit outlives the hub, and not always the machine). What it takes itself is in no figure: it is another process.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from scenes.postgresql import Server, url_of

SETTINGS = {"listen_addresses": "", "max_connections": "400"}
Fresh = Callable[[Path], str]
"""The address of a new database for a hub with that folder."""


@contextlib.contextmanager
def databases(*, postgresql: bool) -> Iterator[Fresh]:
    """New databases, until the end."""
    if not postgresql:
        yield lambda folder: f"sqlite:///{folder}/hub.sqlite"
        return
    server, numbers = Server(SETTINGS), itertools.count(1)
    admin = sa.create_engine(url_of(server.folder, "postgres"), isolation_level="AUTOCOMMIT")

    def fresh(_folder: Path) -> str:
        name = f"bench_{next(numbers)}"
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        return url_of(server.folder, name)

    try:
        yield fresh
    finally:
        admin.dispose()
        server.stop()
