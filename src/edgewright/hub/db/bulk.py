"""Very many rows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa


def insert_all(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all name the same columns, with values that the driver takes as they are: no JSON, no defaults.

    The statement is put together once and the driver is given the rows, which takes about a third of the time of
    `connection.execute(sa.insert(table), rows)` where these are 100,000.
    """
    if not rows:
        return
    names = list(rows[0])
    compiled = sa.insert(table).compile(dialect=connection.dialect, column_keys=names)
    if not compiled.positional:
        connection.exec_driver_sql(str(compiled), [dict(row) for row in rows])
        return
    pick = itemgetter(*(compiled.positiontup or names))
    connection.exec_driver_sql(str(compiled), [pick(row) for row in rows])
