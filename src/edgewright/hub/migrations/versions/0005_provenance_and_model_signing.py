"""Sealed statements of what was made of what, OpenSSF Model Signing bundles of packages, hardware ids of devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("device") as batch:
        batch.add_column(sa.Column("hardware_ids", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("device") as batch:
        batch.alter_column("hardware_ids", server_default=None)
    op.create_table(
        "attestation",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("execution", sa.String(100), nullable=False),
        sa.Column("subject_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "execution", name="pk_attestation"),
    )
    op.create_index("ix_attestation_subject_sha256", "attestation", ["subject_sha256"])
    op.create_table(
        "model_signature",
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("keyid", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("manifest_sha256", "keyid", name="pk_model_signature"),
    )
