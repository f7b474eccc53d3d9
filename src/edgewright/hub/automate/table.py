"""Pipelines, triggers, requests for samples, and evaluations."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

pipeline = sa.Table(
    "pipeline",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
)

trigger = sa.Table(
    "trigger",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("draft", sa.JSON, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("runs", sa.Integer, nullable=False, default=0),
    sa.Column("last_fired_at", sa.Float),
    sa.Column("last_decision", sa.Text, nullable=False, default=""),
)

collection = sa.Table(
    "collection",
    metadata,
    sa.Column("request", sa.String(120), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("budget", sa.Integer, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("opened_at", sa.Float, nullable=False),
)

evaluation = sa.Table(
    "evaluation",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("challenger", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("holdout", sa.String(200), primary_key=True),
    sa.Column("champion", sa.Integer, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
)
