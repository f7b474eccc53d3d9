"""What gates look at: how versions behave on devices, crashes after an install, and what was answered to samples."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "behaviour",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("span", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("unsure", sa.BigInteger(), nullable=False),
        sa.Column("scored", sa.BigInteger(), nullable=False),
        sa.Column("scores", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "device", "span", "version", name=op.f("pk_behaviour")),
    )
    with op.batch_alter_table("deployment") as batch:
        batch.add_column(sa.Column("faulted_at", sa.Float(), nullable=True))
    with op.batch_alter_table("sample") as batch:
        batch.add_column(sa.Column("predicted", sa.Integer(), nullable=True))
