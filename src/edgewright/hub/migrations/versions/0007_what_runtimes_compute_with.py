"""Devices tell which providers their runtimes compute with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("device") as batch:
        batch.add_column(sa.Column("providers", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("device") as batch:
        batch.alter_column("providers", server_default=None)
