"""Studies, and what steps made of what: their results by key, so that no step is taken twice."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

study = sa.Table(
    "study",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),  # of its run
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("target", sa.String(60), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("op_types", sa.JSON, nullable=False, default=list),  # of the source: one family has the same ones
    sa.ForeignKeyConstraint(["model", "version"], ["version.model", "version.version"]),
    sa.Index("ix_study_model", "model", "version", "target"),
)

step_result = sa.Table(
    "step_result",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("step", sa.String(60), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
