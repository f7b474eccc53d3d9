"""What is stored of how versions behave on devices, and of how their drift went."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

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


def series(connection: sa.Connection, model: str, version: int, limit: int) -> list[sa.RowMapping]:
    """The newest points, oldest first."""
    query = sa.select(point).where(*_of(model, version)).order_by(point.c.number.desc()).limit(limit)
    return list(reversed(connection.execute(query).mappings().all()))


def prune_points(connection: sa.Connection, model: str, version: int, keep: int) -> None:
    """Forget all but the newest `keep` points."""
    newest = sa.select(point.c.number).where(*_of(model, version)).order_by(point.c.number.desc())
    last = connection.scalar(newest.offset(keep).limit(1))
    if last is not None:
        connection.execute(sa.delete(point).where(*_of(model, version), point.c.number <= last))


def _of(model: str, version: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return point.c.model == model, point.c.version == version
