"""Deltas have a state, a reason and a last use; what devices need is kept, and what an order was planned to cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_table("delta")  # of the first format of deltas, which no device reads any more
    op.create_table(
        "delta",
        sa.Column("base_sha256", sa.String(length=64), nullable=False),
        sa.Column("result_sha256", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("result_bytes", sa.BigInteger(), nullable=False),
        sa.Column("cpu_s", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("base_sha256", "result_sha256", name=op.f("pk_delta")),
    )
    op.create_index("ix_delta_result_sha256", "delta", ["result_sha256"])
    op.create_table(
        "delta_need",
        sa.Column("base_manifest", sa.String(length=64), nullable=False),
        sa.Column("result_manifest", sa.String(length=64), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("base_manifest", "result_manifest", name=op.f("pk_delta_need")),
    )
    op.create_index("ix_delta_need_result_manifest", "delta_need", ["result_manifest"])
    with op.batch_alter_table("deployment") as batch:
        batch.add_column(sa.Column("planned_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("deployment") as batch:
        batch.alter_column("planned_bytes", server_default=None)
