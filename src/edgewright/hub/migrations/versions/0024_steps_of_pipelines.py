"""What came of each step of each run, and results that can be used again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Steps are kept from now on; a run of before has none."""
    op.create_table(
        "pipeline_step",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.UniqueConstraint("run", "name", name="uq_pipeline_step_run_name"),
    )
    op.create_index("ix_pipeline_step_model_name", "pipeline_step", ["model", "name"])
    op.create_table(
        "pipeline_result",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("step", sa.String(40), nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
    )
    op.create_index("ix_pipeline_result_model", "pipeline_result", ["model"])
