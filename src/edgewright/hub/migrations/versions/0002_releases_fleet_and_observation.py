"""Tables of releases, fleet, rollouts and observation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "claim",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.Column("device", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_claim")),
    )
    op.create_table(
        "delta",
        sa.Column("base_sha256", sa.String(length=64), nullable=False),
        sa.Column("result_sha256", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("base_sha256", "result_sha256", name=op.f("pk_delta")),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("claim_sha256", sa.String(length=64), nullable=False),
        sa.Column("arch", sa.String(length=100), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.Column("ram_bytes", sa.BigInteger(), nullable=False),
        sa.Column("disk_free_bytes", sa.BigInteger(), nullable=False),
        sa.Column("runtimes", sa.JSON(), nullable=False),
        sa.Column("agent_version", sa.String(length=100), nullable=False),
        sa.Column("python", sa.String(length=100), nullable=False),
        sa.Column("enrolled_at", sa.Float(), nullable=False),
        sa.Column("last_seen_at", sa.Float(), nullable=True),
        sa.Column("backlog", sa.Integer(), nullable=False),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("public_key", name=op.f("uq_device_public_key")),
    )
    op.create_table(
        "device_group",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("selector", sa.String(length=1000), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_device_group")),
    )
    op.create_table(
        "drift_alert",
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("raised_at", sa.Float(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_alert")),
    )
    with op.batch_alter_table("drift_alert", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drift_alert_model"), ["model"], unique=False)

    op.create_table(
        "drift_point",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("effects", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_drift_point")),
    )
    with op.batch_alter_table("drift_point", schema=None) as batch_op:
        batch_op.create_index("ix_drift_point_of", ["model", "version", "number"], unique=False)

    op.create_table(
        "drift_state",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("quiet_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_drift_state")),
    )
    op.create_table(
        "install_report",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=140), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("device", "id", name=op.f("pk_install_report")),
    )
    with op.batch_alter_table("install_report", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_install_report_deployment"), ["deployment"], unique=False)

    op.create_table(
        "package_file",
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("manifest_sha256", "name", name=op.f("pk_package_file")),
    )
    with op.batch_alter_table("package_file", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_package_file_sha256"), ["sha256"], unique=False)

    op.create_table(
        "profile_window",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("schema_sha256", sa.String(length=64), nullable=False),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("arrived_at", sa.Float(), nullable=False),
        sa.Column("is_waiting", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_profile_window")),
        sa.UniqueConstraint("device", "id", name=op.f("uq_profile_window_device")),
    )
    with op.batch_alter_table("profile_window", schema=None) as batch_op:
        batch_op.create_index("ix_profile_window_end", ["model", "version", "end"], unique=False)
        batch_op.create_index("ix_profile_window_waiting", ["model", "version", "is_waiting"], unique=False)

    op.create_table(
        "release",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("bad_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "counter", name=op.f("pk_release")),
    )
    op.create_table(
        "rollout",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("release", sa.String(length=120), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("group", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("gate", sa.JSON(), nullable=False),
        sa.Column("shadow", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("deltas_due_at", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_rollout")),
        sa.UniqueConstraint("id", name=op.f("uq_rollout_id")),
    )
    op.create_table(
        "used_nonce",
        sa.Column("nonce", sa.String(length=100), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_used_nonce")),
    )
    with op.batch_alter_table("used_nonce", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_nonce_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "deployment",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=140), nullable=False),
        sa.Column("rollout", sa.String(length=80), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(length=100), nullable=False),
        sa.Column("target_path", sa.String(length=300), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("offered_at", sa.Float(), nullable=True),
        sa.Column("agreement", sa.Float(), nullable=True),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("full_bytes", sa.BigInteger(), nullable=False),
        sa.Column("used_delta", sa.Boolean(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_deployment_rollout_rollout")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deployment")),
        sa.UniqueConstraint("id", name=op.f("uq_deployment_id")),
    )
    with op.batch_alter_table("deployment", schema=None) as batch_op:
        batch_op.create_index("ix_deployment_device_model", ["device", "model"], unique=False)
        batch_op.create_index("ix_deployment_model_counter", ["model", "counter"], unique=False)
        batch_op.create_index("ix_deployment_rollout_wave", ["rollout", "wave"], unique=False)

    op.create_table(
        "device_model",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("candidate_counter", sa.Integer(), nullable=False),
        sa.Column("held_sha256", sa.JSON(), nullable=False),
        sa.Column("reported_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["device.id"], name=op.f("fk_device_model_device_device")),
        sa.PrimaryKeyConstraint("device", "model", name=op.f("pk_device_model")),
    )
    op.create_table(
        "device_session",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["device.id"], name=op.f("fk_device_session_device_device")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_device_session")),
    )
    with op.batch_alter_table("device_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_session_device"), ["device"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_session_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "package",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(length=60), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest_bytes", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "counter"], ["release.model", "release.counter"], name=op.f("fk_package_model_release")
        ),
        sa.PrimaryKeyConstraint("model", "counter", "target", name=op.f("pk_package")),
    )
    op.create_table(
        "release_approval",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "counter"], ["release.model", "release.counter"], name=op.f("fk_release_approval_model_release")
        ),
        sa.PrimaryKeyConstraint("model", "counter", "user", name=op.f("pk_release_approval")),
    )
    op.create_table(
        "release_payload",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("keyids", sa.JSON(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "counter"], ["release.model", "release.counter"], name=op.f("fk_release_payload_model_release")
        ),
        sa.PrimaryKeyConstraint("model", "counter", "role", name=op.f("pk_release_payload")),
    )
    op.create_table(
        "release_signature",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=60), nullable=False),
        sa.Column("keyid", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signature", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "counter"], ["release.model", "release.counter"], name=op.f("fk_release_signature_model_release")
        ),
        sa.PrimaryKeyConstraint("model", "counter", "role", "keyid", name=op.f("pk_release_signature")),
    )
    op.create_table(
        "wave",
        sa.Column("rollout", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_wave_rollout_rollout")),
        sa.PrimaryKeyConstraint("rollout", "number", name=op.f("pk_wave")),
    )
    with op.batch_alter_table("wave", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_wave_run"), ["run"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("wave", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_wave_run"))

    op.drop_table("wave")
    op.drop_table("release_signature")
    op.drop_table("release_payload")
    op.drop_table("release_approval")
    op.drop_table("package")
    with op.batch_alter_table("device_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_device_session_expires_at"))
        batch_op.drop_index(batch_op.f("ix_device_session_device"))

    op.drop_table("device_session")
    op.drop_table("device_model")
    with op.batch_alter_table("deployment", schema=None) as batch_op:
        batch_op.drop_index("ix_deployment_rollout_wave")
        batch_op.drop_index("ix_deployment_model_counter")
        batch_op.drop_index("ix_deployment_device_model")

    op.drop_table("deployment")
    with op.batch_alter_table("used_nonce", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_used_nonce_expires_at"))

    op.drop_table("used_nonce")
    op.drop_table("rollout")
    op.drop_table("release")
    with op.batch_alter_table("profile_window", schema=None) as batch_op:
        batch_op.drop_index("ix_profile_window_waiting")
        batch_op.drop_index("ix_profile_window_end")

    op.drop_table("profile_window")
    with op.batch_alter_table("package_file", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_package_file_sha256"))

    op.drop_table("package_file")
    with op.batch_alter_table("install_report", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_install_report_deployment"))

    op.drop_table("install_report")
    op.drop_table("drift_state")
    with op.batch_alter_table("drift_point", schema=None) as batch_op:
        batch_op.drop_index("ix_drift_point_of")

    op.drop_table("drift_point")
    with op.batch_alter_table("drift_alert", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_drift_alert_model"))

    op.drop_table("drift_alert")
    op.drop_table("device_group")
    op.drop_table("device")
    op.drop_table("delta")
    op.drop_table("claim")
