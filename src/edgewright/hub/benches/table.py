"""Tables of benches: what people asked for, and one measurement for each package and device."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

bench = sa.Table(
    "bench",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("releases", sa.JSON, nullable=False),
    sa.Column("skipped", sa.JSON, nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)

measurement = sa.Table(
    "measurement",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(80), nullable=False, unique=True),
    sa.Column("bench", sa.String(40), sa.ForeignKey("bench.id"), nullable=False, index=True),
    sa.Column("device", sa.String(40), nullable=False),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("counter", sa.Integer, nullable=False),
    sa.Column("target", sa.String(100), nullable=False),
    sa.Column("target_path", sa.String(300), nullable=False),
    sa.Column("manifest_sha256", sa.String(64), nullable=False),
    sa.Column("variant_sha256", sa.String(64), nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("report", sa.JSON(none_as_null=True)),
    sa.Index("ix_measurement_device_state", "device", "state"),
    sa.Index("ix_measurement_variant_sha256_target", "variant_sha256", "target"),
)
