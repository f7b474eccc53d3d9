"""Triggers, the occasions that each has met, the keys of those it knows, and the runs that it began."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import OccasionRecord, OccasionState, TriggerDraft
from edgewright.hub.automate.triggers.model import Decision, Occasion, Standing, UnknownOccasion
from edgewright.hub.db import metadata, to_record
from edgewright.hub.jobs import ENDED, run_table

HISTORY = 200
"""How many occasions in each state a trigger remembers."""
KEYS = 10_000
"""How many occasions it would know again."""

trigger = sa.Table(
    "trigger",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False, index=True),
    sa.Column("draft", sa.JSON, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("is_paused", sa.Boolean, nullable=False),
    sa.Column("salt", sa.String(64), nullable=False),  # of its webhook's secret
    sa.Column("struck_at", sa.Float, nullable=False),  # up to when its schedule has been looked at
    sa.Column("labels", sa.Integer, nullable=False),  # new ones since its last run
    sa.Column("labels_event", sa.Integer, nullable=False),  # the last that was counted
)

occasion = sa.Table(
    "trigger_occasion",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("trigger", sa.String(40), nullable=False),
    sa.Column("key", sa.String(160), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("decided_at", sa.Float, nullable=False),
    sa.Column("due_at", sa.Float),
    sa.Column("run", sa.String(80), nullable=False),
    sa.UniqueConstraint("trigger", "key"),
    sa.Index("ix_trigger_occasion_state", "trigger", "state", "number"),
    sa.Index("ix_trigger_occasion_due", "due_at"),
)

seen = sa.Table(
    "trigger_key",
    metadata,
    sa.Column("trigger", sa.String(40), primary_key=True),
    sa.Column("key", sa.String(160), primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
)

firing = sa.Table(
    "trigger_firing",
    metadata,
    sa.Column("run", sa.String(80), primary_key=True),
    sa.Column("trigger", sa.String(40), nullable=False),
    sa.Column("model", sa.String(40), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("ix_trigger_firing_trigger_at", "trigger", "at"),
)


def row_of(connection: sa.Connection, name: str) -> sa.RowMapping | None:
    """The trigger of that name."""
    return connection.execute(sa.select(trigger).where(trigger.c.name == name)).mappings().first()


def rows(connection: sa.Connection, model: str = "") -> Sequence[sa.RowMapping]:
    """All triggers by name, or those of a model."""
    query = sa.select(trigger).order_by(trigger.c.name)
    return connection.execute(query.where(trigger.c.model == model) if model else query).mappings().all()


def draft_of(row: sa.RowMapping) -> TriggerDraft:
    """What a trigger was set to."""
    return msgspec.convert(row["draft"], TriggerDraft)


def change(connection: sa.Connection, name: str, **values: Any) -> None:
    """Change columns of a trigger."""
    connection.execute(sa.update(trigger).where(trigger.c.name == name).values(**values))


def forget(connection: sa.Connection, name: str) -> None:
    """Remove a trigger and all that is known of it."""
    connection.execute(sa.delete(trigger).where(trigger.c.name == name))
    for table in (occasion, seen, firing):
        connection.execute(sa.delete(table).where(table.c.trigger == name))


def state_of(connection: sa.Connection, row: sa.RowMapping, now: float) -> Standing:
    """Where a trigger stands."""
    draft = draft_of(row)
    since = now - max(draft.period_s, draft.cooldown_s)
    query = sa.select(firing.c.at).where(firing.c.trigger == row["name"], firing.c.at > since).order_by(firing.c.at)
    fired = tuple(connection.scalars(query))
    return Standing(is_paused=row["is_paused"], fired=fired, active=active(connection, row["model"]))


def active(connection: sa.Connection, model: str) -> tuple[str, ...]:
    """The runs on a model that triggers began and that have not ended, oldest first."""
    joined = firing.join(run_table, run_table.c.id == firing.c.run)
    query = sa.select(firing.c.run).select_from(joined).order_by(firing.c.at, firing.c.run)
    return tuple(connection.scalars(query.where(firing.c.model == model, run_table.c.state.not_in(ENDED))))


def run_behind(connection: sa.Connection, facts: Mapping[str, Any]) -> str:
    """The run that asked for the data that an event tells of; "" where a person did."""
    ids = [str(facts[name])[:80] for name in ("run", "request") if facts.get(name)]
    if not ids:
        return ""
    return connection.scalar(sa.select(run_table.c.id).where(run_table.c.id.in_(ids)).limit(1)) or ""


def know(connection: sa.Connection, name: str, keys: Collection[str], at: float) -> bool:
    """Take note of an occasion's keys; False where one of them was known."""
    mine = seen.c.trigger == name
    if connection.scalar(sa.select(seen.c.key).where(mine, seen.c.key.in_(keys)).limit(1)) is not None:
        return False
    connection.execute(sa.insert(seen), [{"trigger": name, "key": key, "at": at} for key in keys])
    oldest = sa.select(seen.c.at).where(mine).order_by(seen.c.at.desc()).offset(KEYS).limit(1)
    last = connection.scalar(oldest)
    if last is not None:
        connection.execute(sa.delete(seen).where(mine, seen.c.at <= last))
    return True


def waiting(connection: sa.Connection, name: str) -> Occasion | None:
    """The occasion of a trigger that waits; there is one at most."""
    is_waiting = (occasion.c.trigger == name, occasion.c.state == OccasionState.WAITING)
    record = connection.scalar(sa.select(occasion.c.record).where(*is_waiting))
    return msgspec.convert(record, Occasion) if record is not None else None


def save(connection: sa.Connection, name: str, met: Occasion, decision: Decision, now: float, run: str = "") -> None:
    """Keep what became of an occasion; in each state the newest are remembered."""
    where = (occasion.c.trigger == name, occasion.c.key == met.key)
    values = {
        "record": msgspec.to_builtins(met),
        "state": decision.state,
        "why": decision.why,
        "decided_at": now,
        "due_at": decision.until,
        "run": run,
    }
    if connection.execute(sa.update(occasion).where(*where).values(**values)).rowcount == 0:
        values |= {"trigger": name, "key": met.key, "at": met.at, "what": met.what}
        connection.execute(sa.insert(occasion).values(**values))
    alike = (occasion.c.trigger == name, occasion.c.state == decision.state)
    last = sa.select(occasion.c.number).where(*alike).order_by(occasion.c.number.desc()).offset(HISTORY).limit(1)
    number = connection.scalar(last)
    if number is not None:
        connection.execute(sa.delete(occasion).where(*alike, occasion.c.number <= number))


def due(connection: sa.Connection, now: float) -> list[str]:
    """The triggers whose waiting occasion is to be decided upon."""
    query = sa.select(occasion.c.trigger).where(occasion.c.state == OccasionState.WAITING, occasion.c.due_at <= now)
    return list(connection.scalars(query.order_by(occasion.c.due_at, occasion.c.trigger)))


def hasten(connection: sa.Connection, names: Collection[str], now: float) -> None:
    """Have what waits at these triggers decided upon now."""
    is_waiting = (occasion.c.trigger.in_(names), occasion.c.state == OccasionState.WAITING)
    connection.execute(sa.update(occasion).where(*is_waiting).values(due_at=now))


def history(connection: sa.Connection, name: str, limit: int, state: str = "") -> list[OccasionRecord]:
    """What became of a trigger's occasions, newest first."""
    query = sa.select(occasion).where(occasion.c.trigger == name).order_by(occasion.c.number.desc()).limit(limit)
    found = connection.execute(query.where(occasion.c.state == state) if state else query).mappings()
    return [to_record(row, OccasionRecord) for row in found]


def fired(connection: sa.Connection, name: str, model: str, run: str, now: float) -> None:
    """Note a run that a trigger began; the labels that it waited for are used up."""
    connection.execute(sa.insert(firing).values(run=run, trigger=name, model=model, at=now))
    change(connection, name, labels=0)


def last_fired(connection: sa.Connection, name: str) -> float | None:
    """When a trigger began its last run."""
    at: float | None = connection.scalar(sa.select(sa.func.max(firing.c.at)).where(firing.c.trigger == name))
    return at


def known(connection: sa.Connection, name: str, key: str) -> OccasionRecord:
    """An occasion that was met before. Raises UnknownOccasion where it has been forgotten."""
    query = sa.select(occasion).where(occasion.c.trigger == name, occasion.c.key == key)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownOccasion(f"trigger {name} has met {key} long ago", field="key")
    return to_record(row, OccasionRecord)


def add(connection: sa.Connection, draft: TriggerDraft, created_by: str, salt: str, now: float) -> None:
    """Keep a new trigger."""
    row = {"name": draft.name, "model": draft.model, "draft": msgspec.to_builtins(draft), "created_by": created_by}
    row |= {"created_at": now, "is_paused": False, "salt": salt, "struck_at": now, "labels": 0, "labels_event": 0}
    connection.execute(sa.insert(trigger).values(row))
