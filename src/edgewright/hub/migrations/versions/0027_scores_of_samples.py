"""Samples keep how sure the version was of its answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.add_column("sample", sa.Column("score", sa.Float()))
