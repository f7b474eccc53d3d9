"""Targets that people have added, as they wrote them."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

target = sa.Table(
    "target",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("toml", sa.Text, nullable=False),
    sa.Column("added_by", sa.String(80), nullable=False),
    sa.Column("added_at", sa.Float, nullable=False),
)
