"""Policies by model."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

step_policy = sa.Table(
    "step_policy",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("policy", sa.JSON, nullable=False),
    sa.Column("set_by", sa.String(80), nullable=False, default=""),
    sa.Column("set_at", sa.Float),
    sa.Column("proposed", sa.JSON),
    sa.Column("proposed_by", sa.String(80), nullable=False, default=""),
    sa.Column("proposed_at", sa.Float),
)
