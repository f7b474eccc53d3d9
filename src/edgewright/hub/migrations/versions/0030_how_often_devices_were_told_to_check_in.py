"""Beside when a device was heard of stands how often it was told to check in: who is silent is away only then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("device_heard", sa.Column("poll_s", sa.Float()))
