"""Triggers have names, conditions and histories; several may start runs of a model. Those of the old form are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.drop_table("trigger")
    op.create_table(
        "trigger",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("draft", sa.JSON, nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("is_paused", sa.Boolean, nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("struck_at", sa.Float, nullable=False),
        sa.Column("labels", sa.Integer, nullable=False),
        sa.Column("labels_event", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_trigger"),
    )
    op.create_index("ix_trigger_model", "trigger", ["model"])
    _occasions()
    op.create_table(
        "trigger_key",
        sa.Column("trigger", sa.String(40), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("trigger", "key", name="pk_trigger_key"),
    )
    op.create_table(
        "trigger_firing",
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("trigger", sa.String(40), nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("run", name="pk_trigger_firing"),
    )
    op.create_index("ix_trigger_firing_model", "trigger_firing", ["model"])
    op.create_index("ix_trigger_firing_trigger_at", "trigger_firing", ["trigger", "at"])


def _occasions() -> None:
    op.create_table(
        "trigger_occasion",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("trigger", sa.String(40), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("decided_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float),
        sa.Column("run", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_trigger_occasion"),
        sa.UniqueConstraint("trigger", "key", name="uq_trigger_occasion_trigger"),
    )
    op.create_index("ix_trigger_occasion_state", "trigger_occasion", ["trigger", "state", "number"])
    op.create_index("ix_trigger_occasion_due", "trigger_occasion", ["due_at"])
