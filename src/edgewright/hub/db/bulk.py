"""Very many rows at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

_PLAIN = re.compile(r"[A-Za-z0-9_.:/ -]*")


def insert_all(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all name every column they need, with values that the driver takes as they are: no JSON.

    The statement is put together once, and what is the same in all rows stands in it, so that the driver is given no
    more than what differs. For 100,000 rows this takes less than half of the time of an insert by SQLAlchemy.
    """
    if not rows:
        return
    alike = {name: value for name, value in rows[0].items() if _is_alike(rows, name, value)}
    named: dict[str, Any] = {name: sa.bindparam(f"of_{name}") for name in rows[0] if name not in alike}
    if not named:
        connection.execute(sa.insert(table), [dict(row) for row in rows])
        return
    values = {name: _literal(value) for name, value in alike.items()} | named
    compiled = sa.insert(table).values(values).compile(dialect=connection.dialect)
    names = list(compiled.positiontup or named) if compiled.positional else list(named)
    if compiled.positional:
        pick = itemgetter(*(name.removeprefix("of_") for name in names))
        told: Any = [pick(row) for row in rows] if len(names) > 1 else [(pick(row),) for row in rows]
    else:
        told = [{f"of_{name}": row[name] for name in names} for row in rows]
    connection.exec_driver_sql(str(compiled), told)


def _is_alike(rows: Sequence[Mapping[str, Any]], name: str, value: Any) -> bool:
    """Whether a column is the same in all rows, and can stand in a statement as it is."""
    return _is_plain(value) and len(set(map(itemgetter(name), rows))) == 1


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_PLAIN.fullmatch(value))
    return value is None or (isinstance(value, bool | int | float) and math.isfinite(value))


def _literal(value: Any) -> sa.ColumnElement[Any]:
    if value is None:
        return sa.null()
    if isinstance(value, bool):
        return sa.true() if value else sa.false()
    return sa.literal_column(f"'{value}'" if isinstance(value, str) else repr(value))
