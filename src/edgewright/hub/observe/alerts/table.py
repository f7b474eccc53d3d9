"""What is stored of alerts, and of what people wrote beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import AlertState
from edgewright.hub.db import metadata

LIVE = tuple(state for state in AlertState if state.is_live)
AWAKE = tuple(state for state in LIVE if state is not AlertState.SNOOZED)

alert = sa.Table(
    "alert",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(200), nullable=False, unique=True),
    sa.Column("model", sa.String(100), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("level", sa.String(20), nullable=False),
    sa.Column("segment", sa.String(200), nullable=False),
    sa.Column("severity", sa.String(20), nullable=False),
    sa.Column("detector", sa.String(60), nullable=False),
    sa.Column("designed_days", sa.Float, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("raised_at", sa.Float, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("effect", sa.Float, nullable=False),
    sa.Column("measure", sa.String(60), nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("devices", sa.JSON, nullable=False),
    sa.Column("folded", sa.JSON, nullable=False),
    sa.Column("compared_with", sa.String(300), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("state_by", sa.String(80), nullable=False),
    sa.Column("state_at", sa.Float, nullable=False),
    sa.Column("snoozed_until", sa.Float),
    sa.Column("verdict", sa.String(20), nullable=False),
    sa.Index("ix_alert_of", "model", "version", "kind"),
    sa.Index("ix_alert_state", "state", "number"),
)

comment = sa.Table(
    "alert_comment",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("alert", sa.String(200), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("author", sa.String(80), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)


def live(connection: sa.Connection, model: str, version: int, kind: str) -> Sequence[sa.RowMapping]:
    """The alerts of a version and kind that are not resolved."""
    of = alert.c
    query = sa.select(alert).where(of.model == model, of.version == version, of.kind == kind, of.state.in_(LIVE))
    return connection.execute(query.order_by(of.number)).mappings().all()


def of_id(connection: sa.Connection, id: str) -> sa.RowMapping | None:
    """The alert of that id."""
    return connection.execute(sa.select(alert).where(alert.c.id == id)).mappings().first()


def next_number(connection: sa.Connection) -> int:
    """The number of the next alert; to be asked inside a write()."""
    return int(connection.scalar(sa.select(sa.func.max(alert.c.number))) or 0) + 1


def change(connection: sa.Connection, id: str, **values: Any) -> None:
    """Set columns of one alert."""
    connection.execute(sa.update(alert).where(alert.c.id == id).values(**values))


def comments(connection: sa.Connection, ids: Sequence[str]) -> Sequence[sa.RowMapping]:
    """What was written beside these alerts, in the order of time."""
    query = sa.select(comment).where(comment.c.alert.in_(ids)).order_by(comment.c.number)
    return connection.execute(query).mappings().all()


def add_comment(connection: sa.Connection, id: str, at: float, author: str, text: str) -> None:
    """Write something beside an alert."""
    connection.execute(sa.insert(comment).values(alert=id, at=at, author=author, text=text))


def verdicts(connection: sa.Connection, model: str) -> dict[str, dict[str, int]]:
    """How many alerts of a model each detector raised, by what people found them to be."""
    query = sa.select(alert.c.detector, alert.c.verdict, sa.func.count().label("count"))
    rows = connection.execute(query.where(alert.c.model == model).group_by(alert.c.detector, alert.c.verdict))
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.detector, {})[row.verdict] = int(row._mapping["count"])
    return found


def counts(connection: sa.Connection) -> Sequence[tuple[str, str, int]]:
    """How many alerts are live, by kind and severity."""
    of = alert.c
    query = sa.select(of.kind, of.severity, sa.func.count()).where(of.state.in_(LIVE)).group_by(of.kind, of.severity)
    return [(str(kind), str(severity), int(number)) for kind, severity, number in connection.execute(query)]


def prune(connection: sa.Connection, before: float, keep: int) -> int:
    """Forget resolved alerts that were settled before a moment, and all resolved ones past the newest `keep`."""
    of = alert.c
    newest = sa.select(of.number).order_by(of.number.desc()).offset(keep).limit(1)
    last = connection.scalar(newest) or 0
    is_old = sa.and_(of.state == AlertState.RESOLVED, sa.or_(of.state_at < before, of.number <= last))
    ids = sa.select(of.id).where(is_old)
    connection.execute(sa.delete(comment).where(comment.c.alert.in_(ids)))
    return connection.execute(sa.delete(alert).where(is_old)).rowcount
