"""Windows say how many categories of few rows they count as others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0030"


def upgrade() -> None:
    with op.batch_alter_table("profile_window") as window:
        window.add_column(sa.Column("min_category_rows", sa.Integer, nullable=False, server_default="0"))
        window.add_column(sa.Column("folded", sa.Integer, nullable=False, server_default="0"))
