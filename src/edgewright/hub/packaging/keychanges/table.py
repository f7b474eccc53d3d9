"""Changes of keys, the metadata that they draft, and the signatures over it."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

change = sa.Table(
    "key_change",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("draft", sa.JSON, nullable=False),
    sa.Column("author", sa.String(80), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

payload = sa.Table(
    "key_change_payload",
    metadata,
    sa.Column("number", sa.Integer, sa.ForeignKey("key_change.number"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("role", sa.String(60), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("signed", sa.LargeBinary, nullable=False),
    sa.Column("keyids", sa.JSON, nullable=False),
    sa.Column("threshold", sa.Integer, nullable=False),
)

signature = sa.Table(
    "key_change_signature",
    metadata,
    sa.Column("number", sa.Integer, sa.ForeignKey("key_change.number"), primary_key=True),
    sa.Column("role", sa.String(60), primary_key=True),
    sa.Column("keyid", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("signature", sa.String(200), nullable=False),
)
