"""What is stored of observation: windows as they came, where each detector stands, its history, and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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
    sa.Column("arrived_at", sa.Float, nullable=False),
    sa.Column("is_waiting", sa.Boolean, nullable=False),
    sa.UniqueConstraint("device", "id"),
    sa.Index("ix_profile_window_waiting", "model", "version", "is_waiting"),
    sa.Index("ix_profile_window_end", "model", "version", "end"),
)

behaviour = sa.Table(
    "behaviour",
    metadata,
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("device", sa.String(80), primary_key=True),
    sa.Column("span", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("unsure", sa.BigInteger, nullable=False),
    sa.Column("scored", sa.BigInteger, nullable=False),
    sa.Column("scores", sa.Float, nullable=False),
)

state = sa.Table(
    "drift_state",
    metadata,
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("quiet_until", sa.Float, nullable=False),
)

point = sa.Table(
    "drift_point",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("model", sa.String(100), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("effects", sa.JSON, nullable=False),
    sa.Index("ix_drift_point_of", "model", "version", "number"),
)

alert = sa.Table(
    "drift_alert",
    metadata,
    sa.Column("id", sa.String(160), primary_key=True),
    sa.Column("model", sa.String(100), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("raised_at", sa.Float, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
)


def known_ids(connection: sa.Connection, device: str, ids: Sequence[str]) -> set[str]:
    """Which windows of this device are stored already."""
    query = sa.select(window.c.id).where(window.c.device == device, window.c.id.in_(ids))
    return set(connection.scalars(query))


def waiting(connection: sa.Connection, model: str, version: int, limit: int) -> Sequence[sa.RowMapping]:
    """Windows that no detector has seen, in the order in which they came."""
    where = _of(window, model, version)
    query = sa.select(window).where(*where, window.c.is_waiting).order_by(window.c.number).limit(limit)
    return connection.execute(query).mappings().all()


def mark_seen(connection: sa.Connection, numbers: Iterable[int]) -> None:
    """These windows wait no more."""
    rows = [{"n": number} for number in numbers]
    if rows:
        query = sa.update(window).where(window.c.number == sa.bindparam("n")).values(is_waiting=False)
        connection.execute(query, rows)


def latest(connection: sa.Connection, model: str, version: int, since: float, limit: int) -> Sequence[sa.RowMapping]:
    """The newest windows that ended after `since`."""
    where = _of(window, model, version)
    query = sa.select(window).where(*where, window.c.end > since)
    return connection.execute(query.order_by(window.c.end.desc()).limit(limit)).mappings().all()


def usage(connection: sa.Connection, model: str) -> Sequence[sa.RowMapping]:
    """Totals by device, model and version."""
    keys = (window.c.device, window.c.model, window.c.version)
    totals = (
        sa.func.count().label("windows"),
        sa.func.sum(window.c.rows).label("rows"),
        sa.func.min(window.c.start).label("first_at"),
        sa.func.max(window.c.end).label("last_at"),
    )
    query = sa.select(*keys, *totals).group_by(*keys).order_by(window.c.model, window.c.version, window.c.device)
    return connection.execute(query.where(window.c.model == model) if model else query).mappings().all()


def load_state(connection: sa.Connection, model: str, version: int) -> tuple[bytes, float]:
    """The detector's saved state (empty: none) and the time up to which it was told to be quiet."""
    query = sa.select(state.c.state, state.c.quiet_until).where(*_of(state, model, version))
    row = connection.execute(query).first()
    return (row.state, row.quiet_until) if row else (b"", float("-inf"))


def save_state(connection: sa.Connection, model: str, version: int, data: bytes) -> None:
    """Save where the detector stands."""
    updated = connection.execute(sa.update(state).where(*_of(state, model, version)).values(state=data))
    if updated.rowcount == 0:
        row = {"model": model, "version": version, "state": data, "quiet_until": 0.0}
        connection.execute(sa.insert(state).values(row))


def reset_states(connection: sa.Connection, model: str, now: float) -> None:
    """Start all of the model's detectors afresh; what ended before `now` is no news to them."""
    connection.execute(sa.update(state).where(state.c.model == model).values(state=b"", quiet_until=now))


def series(connection: sa.Connection, model: str, version: int, limit: int) -> list[sa.RowMapping]:
    """The newest points, oldest first."""
    query = sa.select(point).where(*_of(point, model, version)).order_by(point.c.number.desc()).limit(limit)
    return list(reversed(connection.execute(query).mappings().all()))


def prune_points(connection: sa.Connection, model: str, version: int, keep: int) -> None:
    """Forget all but the newest `keep` points."""
    newest = sa.select(point.c.number).where(*_of(point, model, version)).order_by(point.c.number.desc())
    last = connection.scalar(newest.offset(keep).limit(1))
    if last is not None:
        connection.execute(sa.delete(point).where(*_of(point, model, version), point.c.number <= last))


def open_alert(connection: sa.Connection, model: str, version: int) -> dict[str, Any] | None:
    """The record of the open alert, if there is one."""
    query = sa.select(alert.c.record).where(*_of(alert, model, version), alert.c.state == "open")
    record: dict[str, Any] | None = connection.scalar(query)
    return record


def alerts(connection: sa.Connection, model: str) -> list[dict[str, Any]]:
    """All alerts' records with their state as it is now, newest first."""
    query = sa.select(alert.c.record, alert.c.state).order_by(alert.c.raised_at.desc(), alert.c.id.desc())
    rows = connection.execute(query.where(alert.c.model == model) if model else query)
    return [{**row.record, "state": row.state} for row in rows]


def _of(table: sa.Table, model: str, version: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return table.c.model == model, table.c.version == version
