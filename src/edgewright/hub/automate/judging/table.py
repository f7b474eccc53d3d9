"""Evaluations: one of each challenger against each champion, the newest."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

evaluation = sa.Table(
    "evaluation",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("challenger", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("champion", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
)
