"""What is stored of windows: those that wait or are new, which ones have come, and what all add up to by device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from edgewright.hub.db import metadata

window = sa.Table(
    "profile_window",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("device", sa.String(80), nullable=False),
    sa.Column("id", sa.String(200), nullable=False),
    sa.Column("model", sa.String(100), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("schema_sha256", sa.String(64), nullable=False),
    sa.Column("start", sa.Float, nullable=False),
    sa.Column("end", sa.Float, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("epsilon_milli", sa.Integer, nullable=False, server_default="0"),
    sa.Column("noised", sa.Integer, nullable=False, server_default="0"),
    sa.Column("min_category_rows", sa.Integer, nullable=False, server_default="0"),
    sa.Column("folded", sa.Integer, nullable=False, server_default="0"),
    sa.Column("arrived_at", sa.Float, nullable=False),
    sa.Column("is_waiting", sa.Boolean, nullable=False),
    sa.Index("ix_profile_window_waiting", "model", "version", "is_waiting"),
    sa.Index("ix_profile_window_end", "model", "version", "end"),
    sa.Index("ix_profile_window_arrived", "is_waiting", "arrived_at"),
)

MIXER, MODULUS = 2_654_435_761, 2**31 - 1
"""Knuth's multiplicative hash: neighbours come far apart."""

seen = sa.Table(
    "profile_seen",
    metadata,
    sa.Column("device", sa.String(80), primary_key=True),
    sa.Column("boot", sa.String(200), primary_key=True),
    sa.Column("stretches", sa.JSON, nullable=False),  # see numbers.py
    sa.Column("last_end", sa.Float, nullable=False, index=True),
)

usage = sa.Table(
    "profile_usage",
    metadata,
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("device", sa.String(80), primary_key=True),
    sa.Column("windows", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("first_at", sa.Float, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
)


def stretches(connection: sa.Connection, device: str, boots: Iterable[str]) -> dict[str, list[list[int]]]:
    """Which windows of these boots have come."""
    query = sa.select(seen.c.boot, seen.c.stretches).where(seen.c.device == device, seen.c.boot.in_(list(boots)))
    return {row.boot: row.stretches for row in connection.execute(query)}


def save_stretches(
    connection: sa.Connection, device: str, boot: str, found: list[list[int]], end: float, *, is_new: bool
) -> None:
    """Note which windows of a boot have come; `end` is of the newest of them."""
    of = seen.c
    if is_new:
        connection.execute(sa.insert(seen).values(device=device, boot=boot, stretches=found, last_end=end))
    else:
        last = sa.case((of.last_end > end, of.last_end), else_=end)
        query = sa.update(seen).where(of.device == device, of.boot == boot)
        connection.execute(query.values(stretches=found, last_end=last))


def add_usage(
    connection: sa.Connection, device: str, model: str, version: int, count: int, rows: int, span: tuple[float, float]
) -> None:
    """Add windows to what a version did on a device."""
    of, (start, end) = usage.c, span
    values = {
        "windows": of.windows + count,
        "rows": of.rows + rows,
        "first_at": sa.case((of.first_at < start, of.first_at), else_=start),
        "last_at": sa.case((of.last_at > end, of.last_at), else_=end),
    }
    where = (of.model == model, of.version == version, of.device == device)
    if connection.execute(sa.update(usage).where(*where).values(values)).rowcount == 0:
        row = {"model": model, "version": version, "device": device, "windows": count, "rows": rows}
        connection.execute(sa.insert(usage).values(**row, first_at=start, last_at=end))


def totals(connection: sa.Connection, model: str) -> Sequence[sa.RowMapping]:
    """What each version did on each device."""
    query = sa.select(usage).order_by(usage.c.model, usage.c.version, usage.c.device)
    return connection.execute(query.where(usage.c.model == model) if model else query).mappings().all()


def by_version(connection: sa.Connection, model: str) -> Sequence[sa.RowMapping]:
    """What each version did on all devices: `model`, `version`, `rows`, `windows`, `devices`."""
    of = usage.c
    sums = (sa.func.sum(of.rows).label("rows"), sa.func.sum(of.windows).label("windows"))
    query = sa.select(of.model, of.version, *sums, sa.func.count().label("devices"))
    query = query.group_by(of.model, of.version).order_by(of.model, of.version)
    return connection.execute(query.where(of.model == model) if model else query).mappings().all()


def by_model(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """How many windows, and rows, each model has had."""
    query = sa.select(usage.c.model, sa.func.sum(usage.c.windows), sa.func.sum(usage.c.rows)).group_by(usage.c.model)
    return {str(model): (int(windows), int(rows)) for model, windows, rows in connection.execute(query)}


def count_waiting(connection: sa.Connection) -> int:
    """How many windows no detector has seen yet."""
    return connection.scalar(sa.select(sa.func.count()).select_from(window).where(window.c.is_waiting)) or 0


def devices_waiting(connection: sa.Connection, model: str, version: int) -> int:
    """Of how many devices windows wait."""
    query = sa.select(sa.func.count(window.c.device.distinct())).where(*_of(model, version), window.c.is_waiting)
    return connection.scalar(query) or 0


def waiting(connection: sa.Connection, model: str, version: int, limit: int) -> Sequence[sa.RowMapping]:
    """Windows that no detector has seen, in the order in which they came.

    Where more than `limit` wait, some of all of them: those that came together are not seen alone.
    """
    of = window.c
    query = sa.select(window).where(*_of(model, version), of.is_waiting)
    found = connection.execute(query.order_by(of.number).limit(limit + 1)).mappings().all()
    if len(found) <= limit:
        return found
    mixed = sa.cast(of.number, sa.BigInteger) * MIXER % MODULUS
    return connection.execute(query.order_by(mixed, of.number).limit(limit)).mappings().all()


def versions_waiting(connection: sa.Connection) -> list[tuple[str, int]]:
    """The models and versions of which windows wait."""
    of = window.c
    query = sa.select(of.model, of.version).where(of.is_waiting).distinct()
    return [(str(row.model), int(row.version)) for row in connection.execute(query)]


def mark_seen(connection: sa.Connection, numbers: Iterable[int]) -> None:
    """These windows wait no more."""
    rows = [{"n": number} for number in numbers]
    if rows:
        query = sa.update(window).where(window.c.number == sa.bindparam("n")).values(is_waiting=False)
        connection.execute(query, rows)


def latest(
    connection: sa.Connection, model: str, version: int, since: float, most: int, each: int
) -> Sequence[sa.RowMapping]:
    """The newest windows that ended after `since`, no more than `each` of one device."""
    order = sa.func.row_number().over(partition_by=window.c.device, order_by=window.c.end.desc()).label("place")
    ranked = sa.select(window, order).where(*_of(model, version), window.c.end > since).subquery()
    query = sa.select(ranked).where(ranked.c.place <= each).order_by(ranked.c.place, ranked.c.end.desc())
    return connection.execute(query.limit(most)).mappings().all()


def prune(connection: sa.Connection, before: float, keep: int, ended_before: float) -> int:
    """Forget windows that were seen and came before then, all but the newest `keep`, and boots that ended long ago."""
    of = window.c
    newest = sa.select(of.number).order_by(of.number.desc()).offset(keep).limit(1)
    last = connection.scalar(newest) or 0
    is_old = sa.and_(sa.not_(of.is_waiting), sa.or_(of.arrived_at < before, of.number <= last))
    connection.execute(sa.delete(seen).where(seen.c.last_end < ended_before))
    return connection.execute(sa.delete(window).where(is_old)).rowcount


def _of(model: str, version: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return window.c.model == model, window.c.version == version
