"""Devices have a state, a place and lives; claims a class; groups a poll interval; histories are found by subject."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    _add("device", _device_columns())
    device = sa.table("device", sa.column("state"), sa.column("is_revoked", sa.Boolean()))
    op.execute(device.update().where(device.c.is_revoked.is_(sa.true())).values(state="revoked"))
    _settle("device", _device_columns(), gone=("is_revoked",))
    op.create_index("ix_device_name_id", "device", ["name", "id"])
    op.create_index("ix_device_changed_at", "device", ["changed_at"])

    _add("claim", _claim_columns())
    claim = sa.table("claim", sa.column("used"), sa.column("used_at"))
    op.execute(claim.update().where(claim.c.used_at.is_not(None)).values(used=1))
    _settle("claim", _claim_columns(), gone=("used_at", "device"))

    with op.batch_alter_table("device_group") as batch:
        batch.add_column(sa.Column("poll_s", sa.Float(), nullable=True))
    op.create_index("ix_event_subject_number", "event", ["subject", "number"])


def _device_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("state", sa.String(length=20), nullable=False, server_default="active"),
        sa.Column("state_reason", sa.String(length=300), nullable=False, server_default=""),
        sa.Column("accelerators", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("link_kind", sa.String(length=100), nullable=False, server_default=""),
        sa.Column("time_zone", sa.String(length=100), nullable=False, server_default=""),
        sa.Column("replaces", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("lives", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("changed_at", sa.Float(), nullable=False, server_default="0"),
    ]


def _claim_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("uses", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("used", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("hardware", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("needs_approval", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("replaces", sa.String(length=40), nullable=False, server_default=""),
    ]


def _add(table: str, columns: list[sa.Column[Any]]) -> None:
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.add_column(column)


def _settle(table: str, columns: list[sa.Column[Any]], gone: tuple[str, ...]) -> None:
    """New rows must say everything themselves; what another column tells now is gone."""
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.alter_column(column.name, server_default=None)
        for other in gone:
            batch.drop_column(other)
