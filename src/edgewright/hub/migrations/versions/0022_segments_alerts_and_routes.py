"""Segments with the states and seasons of their detectors, alerts that live, routes, and windows kept for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

TOTALS = """
INSERT INTO profile_usage (model, version, device, windows, rows, first_at, last_at)
SELECT model, version, device, COUNT(*), SUM(rows), MIN(start), MAX("end")
FROM profile_window GROUP BY model, version, device
"""


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("segment", sa.String(length=200), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("detector", sa.String(length=60), nullable=False),
        sa.Column("designed_days", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("raised_at", sa.Float(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("effect", sa.Float(), nullable=False),
        sa.Column("measure", sa.String(length=60), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("folded", sa.JSON(), nullable=False),
        sa.Column("compared_with", sa.String(length=300), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_by", sa.String(length=80), nullable=False),
        sa.Column("state_at", sa.Float(), nullable=False),
        sa.Column("snoozed_until", sa.Float(), nullable=True),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alert")),
        sa.UniqueConstraint("id", name=op.f("uq_alert_id")),
    )
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.create_index("ix_alert_of", ["model", "version", "kind"], unique=False)
        batch_op.create_index("ix_alert_state", ["state", "number"], unique=False)

    op.create_table(
        "alert_comment",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("alert", sa.String(length=200), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alert_comment")),
    )
    with op.batch_alter_table("alert_comment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alert_comment_alert"), ["alert"], unique=False)

    op.create_table(
        "alert_route",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("given_up", sa.Integer(), nullable=False),
        sa.Column("last_told_at", sa.Float(), nullable=True),
        sa.Column("problem", sa.String(length=300), nullable=False),
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_alert_route")),
    )
    op.create_table(
        "alert_telling",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("route", sa.String(length=63), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("news", sa.String(length=20), nullable=False),
        sa.Column("alert", sa.String(length=200), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alert_telling")),
        sa.UniqueConstraint("route", "event", name=op.f("uq_alert_telling_route")),
    )
    op.create_table(
        "device_share",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("claimed", sa.Float(), nullable=False),
        sa.Column("added", sa.Float(), nullable=False),
        sa.Column("claimed_before", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "device", name=op.f("pk_device_share")),
    )
    op.create_table(
        "profile_seen",
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("boot", sa.String(length=200), nullable=False),
        sa.Column("stretches", sa.JSON(), nullable=False),
        sa.Column("last_end", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("device", "boot", name=op.f("pk_profile_seen")),
    )
    with op.batch_alter_table("profile_seen", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_profile_seen_last_end"), ["last_end"], unique=False)

    op.create_table(
        "profile_usage",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "device", name=op.f("pk_profile_usage")),
    )
    op.create_table(
        "segment",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("quiet_until", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("labels_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "level", "name", name=op.f("pk_segment")),
    )
    op.create_table(
        "segment_season",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Integer(), nullable=False),
        sa.Column("weeks", sa.Integer(), nullable=False),
        sa.Column("past", sa.LargeBinary(), nullable=False),
        sa.Column("current", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "level", "name", "hour", name=op.f("pk_segment_season")),
    )
    op.create_table(
        "segment_state",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("detector", sa.String(length=60), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("watched", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("effect", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "level", "name", "detector", name=op.f("pk_segment_state")),
    )
    op.drop_table("drift_state")
    with op.batch_alter_table("drift_alert", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_drift_alert_model"))

    op.drop_table("drift_alert")
    with op.batch_alter_table("profile_window", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_profile_window_device"), type_="unique")
        batch_op.create_index("ix_profile_window_arrived", ["is_waiting", "arrived_at"], unique=False)
    op.execute(TOTALS)
