"""Tables of events, and how far their subscribers have heard of them."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.hub.db import metadata

event_table = sa.Table(
    "event",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("ix_event_subject_number", "subject", "number"),
)

cursor_table = sa.Table(
    "event_cursor",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened: `kind` is 'room.thing', `subject` names the thing."""

    number: int
    at: float
    kind: str
    subject: str
    data: dict[str, Any]
