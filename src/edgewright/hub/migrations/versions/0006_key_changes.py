"""Tables of key changes and their signatures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "key_change",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_key_change")),
    )
    number = ("key_change.number",)
    op.create_table(
        "key_change_payload",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("keyids", sa.JSON(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["number"], number, name=op.f("fk_key_change_payload_number_key_change")),
        sa.PrimaryKeyConstraint("number", "place", name=op.f("pk_key_change_payload")),
    )
    op.create_table(
        "key_change_signature",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=60), nullable=False),
        sa.Column("keyid", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signature", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["number"], number, name=op.f("fk_key_change_signature_number_key_change")),
        sa.PrimaryKeyConstraint("number", "role", "keyid", name=op.f("pk_key_change_signature")),
    )
