"""Statements by what they are about."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

attestation = sa.Table(
    "attestation",
    metadata,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("execution", sa.String(100), primary_key=True),  # the run or release that it tells of
    sa.Column("subject_sha256", sa.String(64), nullable=False, index=True),
    sa.Column("sha256", sa.String(64), nullable=False),  # the blob with the sealed statement
    sa.Column("created_at", sa.Float, nullable=False),
)
