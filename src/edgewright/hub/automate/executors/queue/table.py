"""Machines that run tasks, the tasks that wait for them or for others, and what was brought of each."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("token_sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("machine", sa.JSON, nullable=False),
    sa.Column("is_draining", sa.Boolean, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float),
)

task = sa.Table(
    "task",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),  # the place: worker, ray, ci
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("why", sa.Text, nullable=False, default=""),
    sa.Column("holder", sa.String(200), nullable=False, default=""),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("queued_at", sa.Float, nullable=False),
    sa.Column("taken_at", sa.Float),
    sa.Column("lease_until", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Column("log", sa.Text, nullable=False, default=""),
    sa.Column("log_chars", sa.BigInteger, nullable=False, default=0),
    sa.Column("finished", sa.JSON),
    sa.Index("ix_task_state_kind_queued_at", "state", "kind", "queued_at"),
)

task_output = sa.Table(
    "task_output",
    metadata,
    sa.Column("task", sa.String(200), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)
