"""Devices name the packages that they hold instead of each file, and say what bytes cost them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("UPDATE device_model SET held_sha256 = '[]'")  # digests of files: the next check-in names packages
    with op.batch_alter_table("device_model") as batch:
        batch.alter_column("held_sha256", new_column_name="held_manifests")
    with op.batch_alter_table("device") as batch:
        batch.add_column(sa.Column("pace", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("device") as batch:
        batch.alter_column("pace", server_default=None)
