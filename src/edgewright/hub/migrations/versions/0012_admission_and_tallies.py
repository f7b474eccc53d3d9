"""Rollouts have schedules, budgets and caps; waves soak; deployments are admitted on leases and counted in a tally."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    _extend("rollout", _rollout_columns())
    _extend("wave", _wave_columns())
    with op.batch_alter_table("deployment") as batch:
        batch.add_column(sa.Column("admitted_at", sa.Float(), nullable=True))
        batch.add_column(sa.Column("lease_until", sa.Float(), nullable=True))
        batch.add_column(sa.Column("due_at", sa.Float(), nullable=True))
        batch.add_column(sa.Column("blocked_on", sa.String(length=200), nullable=True))
        batch.drop_index("ix_deployment_rollout_wave")
    columns = ["rollout", "wave", "state", "due_at", "number"]
    op.create_index("ix_deployment_rollout_wave_state_due_at", "deployment", columns)
    op.create_index(op.f("ix_deployment_lease_until"), "deployment", ["lease_until"])
    op.create_index(op.f("ix_deployment_blocked_on"), "deployment", ["blocked_on"])
    _create_tables()
    op.execute("UPDATE deployment SET due_at = 0 WHERE state = 'pending'")
    op.execute("UPDATE deployment SET lease_until = offered_at + 1800 WHERE state = 'offered'")
    op.execute(
        "INSERT INTO tally (rollout, wave, state, count)"
        " SELECT rollout, wave, state, count(*) FROM deployment GROUP BY rollout, wave, state"
    )


def _create_tables() -> None:
    op.create_table(
        "tally",
        sa.Column("rollout", sa.String(length=80), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_tally_rollout_rollout")),
        sa.PrimaryKeyConstraint("rollout", "wave", "state", name=op.f("pk_tally")),
    )
    op.create_table(
        "site_lease",
        sa.Column("deployment", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("site", sa.String(length=200), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("deployment", "site", name=op.f("pk_site_lease")),
    )
    op.create_index("ix_site_lease_site_until", "site_lease", ["site", "until"])
    op.create_table(
        "site_line",
        sa.Column("site", sa.String(length=200), nullable=False),
        sa.Column("free_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site_line")),
    )


def _rollout_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("schedule", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("budgets", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("caps", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("emergency", sa.Text(), nullable=False, server_default=""),
    ]


def _wave_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("soak_s", sa.Float(), nullable=False, server_default="0"),
        sa.Column("gate", sa.JSON(), nullable=True),
        sa.Column("needs_promotion", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("committed_at", sa.Float(), nullable=True),
        sa.Column("verdicts", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("failed_at_end", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("sent_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("full_bytes", sa.BigInteger(), nullable=False, server_default="0"),
    ]


def _extend(table: str, columns: list[sa.Column[Any]]) -> None:
    """Add columns; new rows must say everything themselves."""
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.add_column(column)
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.alter_column(column.name, server_default=None)
