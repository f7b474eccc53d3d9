"""Pipelines, and requests for samples."""

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

collection = sa.Table(
    "collection",
    metadata,
    sa.Column("request", sa.String(120), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("budget", sa.Integer, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("opened_at", sa.Float, nullable=False),
)
