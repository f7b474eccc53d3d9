"""Pipelines, the steps of their runs, and results that can be used again."""

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

step = sa.Table(
    "pipeline_step",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run", sa.String(80), nullable=False),
    sa.Column("name", sa.String(40), nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.UniqueConstraint("run", "name", name="uq_pipeline_step_run_name"),
    sa.Index("ix_pipeline_step_model_name", "model", "name"),
)

result = sa.Table(
    "pipeline_result",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False, index=True),
    sa.Column("step", sa.String(40), nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("made_at", sa.Float, nullable=False),
)
