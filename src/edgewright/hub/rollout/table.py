"""Tables of rollouts: rollouts, waves, deployments, what they add up to, places at sites, and devices' reports."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

rollout = sa.Table(
    "rollout",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(80), nullable=False, unique=True),
    sa.Column("release", sa.String(120), nullable=False),
    sa.Column("model", sa.String(100), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("counter", sa.Integer, nullable=False),
    sa.Column("group", sa.String(63), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("gate", sa.JSON, nullable=False),
    sa.Column("shadow", sa.JSON(none_as_null=True)),
    sa.Column("deltas_due_at", sa.Float, nullable=False),
    sa.Column("schedule", sa.JSON, nullable=False, default=dict),
    sa.Column("budgets", sa.JSON, nullable=False, default=list),
    sa.Column("caps", sa.JSON, nullable=False, default=list),
    sa.Column("emergency", sa.Text, nullable=False, default=""),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("ended_at", sa.Float),
)

wave = sa.Table(
    "wave",
    metadata,
    sa.Column("rollout", sa.String(80), sa.ForeignKey("rollout.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("run", sa.String(80), nullable=False, index=True),
    sa.Column("started_at", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("soak_s", sa.Float, nullable=False, default=0.0),
    sa.Column("gate", sa.JSON(none_as_null=True)),  # null: the rollout's
    sa.Column("needs_promotion", sa.Boolean, nullable=False, default=False),
    sa.Column("committed_at", sa.Float),
    sa.Column("verdicts", sa.JSON, nullable=False, default=list),
    sa.Column("failed_at_end", sa.Integer, nullable=False, default=0),  # what went wrong later is a late failure
    sa.Column("sent_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("full_bytes", sa.BigInteger, nullable=False, default=0),
)

deployment = sa.Table(
    "deployment",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(140), nullable=False, unique=True),
    sa.Column("rollout", sa.String(80), sa.ForeignKey("rollout.id"), nullable=False),
    sa.Column("wave", sa.Integer, nullable=False),  # 0: in no wave
    sa.Column("device", sa.String(40), nullable=False),
    sa.Column("model", sa.String(100), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("counter", sa.Integer, nullable=False),
    sa.Column("target", sa.String(100), nullable=False),
    sa.Column("target_path", sa.String(300), nullable=False),
    sa.Column("manifest_sha256", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("offered_at", sa.Float),
    sa.Column("agreement", sa.Float),
    sa.Column("planned_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("received_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("full_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("used_delta", sa.Boolean, nullable=False, default=False),
    sa.Column("interruptions", sa.Integer, nullable=False, default=0),
    sa.Column("admitted_at", sa.Float),  # the first time
    sa.Column("lease_until", sa.Float, index=True),  # null: takes no place
    sa.Column("due_at", sa.Float),  # when a pending one is looked at again; null: once its device is heard
    sa.Column("faulted_at", sa.Float),  # the first fault of the model since the device has committed
    sa.Column("blocked_on", sa.String(200), index=True),  # the site whose next free place wakes it
    sa.Index("ix_deployment_rollout_wave_state_due_at", "rollout", "wave", "state", "due_at", "number"),
    sa.Index("ix_deployment_device_model", "device", "model"),
    sa.Index("ix_deployment_model_counter", "model", "counter"),
)

tally = sa.Table(
    "tally",
    metadata,
    sa.Column("rollout", sa.String(80), sa.ForeignKey("rollout.id"), primary_key=True),
    sa.Column("wave", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(20), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)
"""How many deployments of a wave are in which state; only running/ledger.py changes it, with the states themselves."""

site_lease = sa.Table(
    "site_lease",
    metadata,
    sa.Column("deployment", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("site", sa.String(200), primary_key=True),  # 'label=value'
    sa.Column("device", sa.String(40), nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    sa.Index("ix_site_lease_site_until", "site", "until"),
)
"""What deployments under way take up at their sites, until their leases end."""

site_line = sa.Table(
    "site_line",
    metadata,
    sa.Column("site", sa.String(200), primary_key=True),
    sa.Column("free_at", sa.Float, nullable=False),
)
"""When a site's line will have carried all that was admitted there (a token bucket, kept as one moment)."""

install_report = sa.Table(
    "install_report",
    metadata,
    sa.Column("device", sa.String(40), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("deployment", sa.String(140), nullable=False, index=True),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
)

directive = sa.Table(
    "directive",
    metadata,
    sa.Column("device", sa.String(40), primary_key=True),
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("counter", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(80), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("ix_directive_model", "model"),
)
