"""Releases, their packages, signatures and approvals, and the deltas between files."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

release = sa.Table(
    "release",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("counter", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("author", sa.String(80), nullable=False),
    sa.Column("note", sa.Text, nullable=False, default=""),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("bad_reason", sa.Text, nullable=False, default=""),
)

_RELEASE = (["model", "counter"], ["release.model", "release.counter"])

package = sa.Table(
    "package",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("counter", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target", sa.String(60), primary_key=True),
    sa.Column("path", sa.String(200), nullable=False),
    sa.Column("manifest_sha256", sa.String(64), nullable=False),
    sa.Column("manifest_bytes", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("recipe", sa.JSON, nullable=False),
    sa.ForeignKeyConstraint(*_RELEASE),
)

package_file = sa.Table(
    "package_file",
    metadata,
    sa.Column("manifest_sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)

payload = sa.Table(  # TUF metadata that awaits, or has got, its offline signatures
    "release_payload",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("counter", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("role", sa.String(60), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("signed", sa.LargeBinary, nullable=False),
    sa.Column("keyids", sa.JSON, nullable=False),
    sa.Column("threshold", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(*_RELEASE),
)

signature = sa.Table(
    "release_signature",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("counter", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("role", sa.String(60), primary_key=True),
    sa.Column("keyid", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("signature", sa.String(200), nullable=False),
    sa.ForeignKeyConstraint(*_RELEASE),
)

approval = sa.Table(
    "release_approval",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("counter", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("user", sa.String(80), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.ForeignKeyConstraint(*_RELEASE),
)

delta = sa.Table(  # pairs of files that were tried; sha256 is empty unless the delta is kept
    "delta",
    metadata,
    sa.Column("base_sha256", sa.String(64), primary_key=True),
    sa.Column("result_sha256", sa.String(64), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("result_bytes", sa.BigInteger, nullable=False),
    sa.Column("cpu_s", sa.Float, nullable=False),
    sa.Column("used_at", sa.Float, nullable=False),
    sa.Index("ix_delta_result_sha256", "result_sha256"),
)

delta_need = sa.Table(  # packages that devices ran when they were to get another one
    "delta_need",
    metadata,
    sa.Column("base_manifest", sa.String(64), primary_key=True),
    sa.Column("result_manifest", sa.String(64), primary_key=True),
    sa.Column("devices", sa.Integer, nullable=False),
    sa.Index("ix_delta_need_result_manifest", "result_manifest"),
)
