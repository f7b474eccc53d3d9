"""Tables of the fleet: devices, what they report, claims, sessions, used nonces and groups."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

device = sa.Table(
    "device",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("public_key", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("claim_sha256", sa.String(64), nullable=False),
    sa.Column("arch", sa.String(100), nullable=False),
    sa.Column("cores", sa.Integer, nullable=False),
    sa.Column("ram_bytes", sa.BigInteger, nullable=False),
    sa.Column("disk_free_bytes", sa.BigInteger, nullable=False),
    sa.Column("runtimes", sa.JSON, nullable=False),
    sa.Column("providers", sa.JSON, nullable=False, default=dict),
    sa.Column("hardware_ids", sa.JSON, nullable=False, default=list),
    sa.Column("agent_version", sa.String(100), nullable=False),
    sa.Column("python", sa.String(100), nullable=False),
    sa.Column("enrolled_at", sa.Float, nullable=False),
    sa.Column("pace", sa.JSON, nullable=False, default=dict),
    sa.Column("state", sa.String(20), nullable=False, default="active"),
    sa.Column("state_reason", sa.String(300), nullable=False, default=""),
    sa.Column("accelerators", sa.JSON, nullable=False, default=list),
    sa.Column("link_kind", sa.String(100), nullable=False, default=""),
    sa.Column("time_zone", sa.String(100), nullable=False, default=""),
    sa.Column("replaces", sa.String(40), nullable=False, default=""),
    sa.Column("lives", sa.JSON, nullable=False, default=list),  # see lives.py
    sa.Column("changed_at", sa.Float, nullable=False, default=0.0),  # when what groups may select by did change
    sa.Index("ix_device_name_id", "name", "id"),
    sa.Index("ix_device_changed_at", "changed_at"),
    sa.Index("ix_device_state_name_id", "state", "name", "id"),
)

device_heard = sa.Table(  # beside `device`, whose wide rows would cost each heartbeat a page
    "device_heard",
    metadata,
    sa.Column("device", sa.String(40), primary_key=True),
    sa.Column("last_seen_at", sa.Float, nullable=False),
    sa.Column("backlog", sa.Integer, nullable=False),
    sa.Column("poll_s", sa.Float),  # how often it was told to check in; NULL: as it is set itself
    sqlite_with_rowid=False,
)

devices = device.outerjoin(device_heard, device.c.id == device_heard.c.device)
"""Every device, and when it was last heard of, if it was."""

device_model = sa.Table(
    "device_model",
    metadata,
    sa.Column("device", sa.String(40), sa.ForeignKey("device.id"), primary_key=True),
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("counter", sa.Integer, nullable=False),
    sa.Column("manifest_sha256", sa.String(64), nullable=False),
    sa.Column("step", sa.String(40), nullable=False),
    sa.Column("candidate_counter", sa.Integer, nullable=False),
    sa.Column("held_manifests", sa.JSON, nullable=False),
    sa.Column("reported_at", sa.Float, nullable=False),
)

claim = sa.Table(
    "claim",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False, default=1),
    sa.Column("used", sa.Integer, nullable=False, default=0),
    sa.Column("hardware", sa.JSON, nullable=False, default=list),
    sa.Column("needs_approval", sa.Boolean, nullable=False, default=False),
    sa.Column("replaces", sa.String(40), nullable=False, default=""),
)

session = sa.Table(
    "device_session",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("device", sa.String(40), sa.ForeignKey("device.id"), nullable=False, index=True),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
)

used_nonce = sa.Table(
    "used_nonce",
    metadata,
    sa.Column("nonce", sa.String(100), primary_key=True),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
)

group = sa.Table(
    "device_group",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("selector", sa.String(1000), nullable=False),
    sa.Column("devices", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("poll_s", sa.Float),
)
