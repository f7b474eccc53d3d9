"""Rows of snapshots that tell of somebody are found by their marks; labels that wait too long are found by their age.

Rows that joined before are marked when their samples, where they are still here, are looked at for the next snapshot.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.create_table(
        "subject_row",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_subject_row")),
    )
    op.create_index(op.f("ix_subject_row_subject"), "subject_row", ["subject"])
    op.create_index(op.f("ix_subject_row_digest"), "subject_row", ["digest"])
    op.create_index(op.f("ix_waiting_label_at"), "waiting_label", ["at"])
