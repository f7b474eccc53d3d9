"""Windows say how much noise is in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    with op.batch_alter_table("profile_window") as window:
        window.add_column(sa.Column("epsilon_milli", sa.Integer, nullable=False, server_default="0"))
        window.add_column(sa.Column("noised", sa.Integer, nullable=False, server_default="0"))
