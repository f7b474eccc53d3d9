"""content signatures (OpenSSF Model Signing) by the package whose content they sign."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

model_signature = sa.Table(
    "model_signature",
    metadata,
    sa.Column("manifest_sha256", sa.String(64), primary_key=True),
    sa.Column("keyid", sa.String(64), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),  # the blob with the Sigstore bundle
    sa.Column("public", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
