"""Evaluations of a challenger as a whole, policies of steps, and one list of what waits for people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.drop_table("evaluation")
    op.create_table(
        "evaluation",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("challenger", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("champion", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model", "challenger", "champion", name=op.f("pk_evaluation")),
    )
    op.create_table(
        "step_policy",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("set_by", sa.String(length=80), nullable=False),
        sa.Column("set_at", sa.Float()),
        sa.Column("proposed", sa.JSON()),
        sa.Column("proposed_by", sa.String(length=80), nullable=False),
        sa.Column("proposed_at", sa.Float()),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_step_policy")),
    )
    op.create_table(
        "approval_request",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=180), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("approvers", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("run", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_request")),
    )
    op.create_index(op.f("ix_approval_request_state"), "approval_request", ["state"])
    op.create_index(op.f("ix_approval_request_run"), "approval_request", ["run"])
    op.create_table(
        "vote",
        sa.Column("request", sa.String(length=200), nullable=False),
        sa.Column("user", sa.String(length=40), nullable=False),
        sa.Column("is_yes", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request", "user", name=op.f("pk_vote")),
    )
