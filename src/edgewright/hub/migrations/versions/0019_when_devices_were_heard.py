"""When devices were last heard of has a narrow table of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "device_heard",
        sa.Column("device", sa.String(40), primary_key=True),
        sa.Column("last_seen_at", sa.Float, nullable=False),
        sa.Column("backlog", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO device_heard (device, last_seen_at, backlog) "
        "SELECT id, last_seen_at, backlog FROM device WHERE last_seen_at IS NOT NULL"
    )
    op.drop_column("device", "last_seen_at")  # in place: other tables refer to this one
    op.drop_column("device", "backlog")
