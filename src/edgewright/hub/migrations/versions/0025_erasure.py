"""Blobs that are to be deleted, and whose data was erased: what a device sends late of them is not taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "doomed_blob",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_doomed_blob")),
    )
    op.create_table(
        "erased_subject",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_erased_subject")),
    )
