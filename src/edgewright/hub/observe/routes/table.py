"""What is stored of routes, and of what they still have to tell."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from edgewright.hub.db import metadata

route = sa.Table(
    "alert_route",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("draft", sa.JSON, nullable=False),  # without its secret
    sa.Column("secret", sa.LargeBinary, nullable=False),  # sealed; empty where there is none
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("told", sa.Integer, nullable=False, default=0),
    sa.Column("given_up", sa.Integer, nullable=False, default=0),
    sa.Column("last_told_at", sa.Float),
    sa.Column("problem", sa.String(300), nullable=False, default=""),
    sa.Column("run", sa.String(80), nullable=False, default=""),  # the run that tells what waits
)

telling = sa.Table(
    "alert_telling",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("route", sa.String(63), nullable=False),
    sa.Column("event", sa.Integer, nullable=False),  # each route tells each event once
    sa.Column("news", sa.String(20), nullable=False),
    sa.Column("alert", sa.String(200), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.UniqueConstraint("route", "event"),
)


def routes(connection: sa.Connection) -> Sequence[sa.RowMapping]:
    """All routes by name, with how many tellings wait."""
    waiting = (
        sa.select(sa.func.count()).select_from(telling).where(telling.c.route == route.c.name).scalar_subquery()
    ).label("waiting")
    return connection.execute(sa.select(route, waiting).order_by(route.c.name)).mappings().all()


def of_name(connection: sa.Connection, name: str) -> sa.RowMapping | None:
    """The route of that name."""
    return connection.execute(sa.select(route).where(route.c.name == name)).mappings().first()


def first(connection: sa.Connection, name: str) -> sa.RowMapping | None:
    """What a route has to tell next."""
    query = sa.select(telling).where(telling.c.route == name).order_by(telling.c.number).limit(1)
    return connection.execute(query).mappings().first()


def queue(connection: sa.Connection, name: str, event: int, news: str, alert: str, at: float, most: int) -> bool:
    """Have something told; False where that event waits already. Past `most` the oldest ones are let go."""
    of = telling.c
    if connection.scalar(sa.select(of.number).where(of.route == name, of.event == event)) is not None:
        return False
    row = {"route": name, "event": event, "news": news, "alert": alert, "at": at, "tries": 0, "next_at": at}
    connection.execute(sa.insert(telling).values(**row))
    newest = sa.select(of.number).where(of.route == name).order_by(of.number.desc())
    last = connection.scalar(newest.offset(most).limit(1))
    if last is not None:
        gone = connection.execute(sa.delete(telling).where(of.route == name, of.number <= last)).rowcount
        change(connection, name, given_up=route.c.given_up + gone)
    return True


def change(connection: sa.Connection, name: str, **values: object) -> None:
    """Set columns of one route."""
    connection.execute(sa.update(route).where(route.c.name == name).values(**values))


def remove(connection: sa.Connection, name: str) -> None:
    """Forget a route and what it still had to tell."""
    connection.execute(sa.delete(telling).where(telling.c.route == name))
    connection.execute(sa.delete(route).where(route.c.name == name))


def put_off(connection: sa.Connection, number: int, next_at: float) -> None:
    """A try failed: the next one comes later."""
    values = {"tries": telling.c.tries + 1, "next_at": next_at}
    connection.execute(sa.update(telling).where(telling.c.number == number).values(values))


def drop(connection: sa.Connection, number: int) -> None:
    """This has been told, or is given up."""
    connection.execute(sa.delete(telling).where(telling.c.number == number))
