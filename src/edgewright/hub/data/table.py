"""Snapshots and captured samples."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

snapshot = sa.Table(
    "snapshot",
    metadata,
    sa.Column("dataset", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("record", sa.JSON, nullable=False),
)

sample = sa.Table(
    "sample",
    metadata,
    sa.Column("id", sa.String(240), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("device", sa.String(64), nullable=False),
    sa.Column("request", sa.String(120), nullable=False),
    sa.Column("reference", sa.String(200), nullable=False),
    sa.Column("chosen_as", sa.String(20), nullable=False),
    sa.Column("uncertainty", sa.Float, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("predicted", sa.Integer),  # by the version that answered; null: not known
    sa.Column("label", sa.Integer),
    sa.Column("labelled_by", sa.String(80), nullable=False, default=""),
    sa.Index("ix_sample_model_request", "model", "request"),
)
