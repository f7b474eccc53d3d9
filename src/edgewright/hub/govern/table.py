"""People, their tokens, the audit log, and what waits for people."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

user = sa.Table(
    "user",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

token = sa.Table(
    "token",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("user", sa.String(40), sa.ForeignKey("user.name"), nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("action", sa.String(80), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("signature", sa.String(200), nullable=False),
    sa.Index("ix_audit_subject_number", "subject", "number"),
)

approval_request = sa.Table(
    "approval_request",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(180), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("author", sa.String(80), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("needed", sa.Integer, nullable=False),
    sa.Column("approvers", sa.JSON, nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("run", sa.String(120), nullable=False, default="", index=True),
    sa.Column("reason", sa.Text, nullable=False, default=""),
)

vote = sa.Table(
    "vote",
    metadata,
    sa.Column("request", sa.String(200), primary_key=True),
    sa.Column("user", sa.String(40), primary_key=True),
    sa.Column("is_yes", sa.Boolean, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("why", sa.Text, nullable=False, default=""),
)
