"""What the audit log says of one thing is found by its name."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_index("ix_audit_subject_number", "audit", ["subject", "number"])
