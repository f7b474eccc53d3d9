"""Models, their versions and variants."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

model = sa.Table(
    "model",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("task", sa.String(40), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

version = sa.Table(
    "version",
    metadata,
    sa.Column("model", sa.String(40), sa.ForeignKey("model.name"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("source_sha256", sa.String(64), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

variant = sa.Table(
    "variant",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target", sa.String(60), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.ForeignKeyConstraint(["model", "version"], ["version.model", "version.version"]),
)
