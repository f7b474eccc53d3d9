"""Devices are counted by state, and listed in it by name."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_index("ix_device_state_name_id", "device", ["state", "name", "id"])
