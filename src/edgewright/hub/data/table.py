"""Snapshots, captured samples with their labels as they are now and as they were, and rows on their way to the lake."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import metadata

snapshot = sa.Table(
    "snapshot",
    metadata,
    sa.Column("dataset", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("record", sa.JSON, nullable=False),
)

sample = sa.Table(
    "sample",
    metadata,
    sa.Column("id", sa.String(240), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("device", sa.String(64), nullable=False),
    sa.Column("request", sa.String(120), nullable=False),
    sa.Column("reference", sa.String(200), nullable=False),
    sa.Column("chosen_as", sa.String(20), nullable=False),
    sa.Column("uncertainty", sa.Float, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("predicted", sa.Integer),  # by the version that answered; null: not known
    sa.Column("score", sa.Float),  # of that answer, as profiles count it; null: not known
    sa.Column("label", sa.Integer),
    sa.Column("labelled_by", sa.String(80), nullable=False, default=""),
    sa.Column("labelled_at", sa.Float),  # for the first time
    sa.Column("label_number", sa.Integer),  # of its first label in the history of labels; stays when that is withdrawn
    sa.Column("is_disputed", sa.Boolean, nullable=False, default=False),
    sa.Column("subject", sa.String(64), nullable=False, default=""),  # a key, never a name: contract/data_policy.py
    sa.Column("groups", sa.JSON, nullable=False, default=dict),
    sa.Column("weight", sa.Float, nullable=False, default=0.0),
    sa.Column("expires_at", sa.Float),
    sa.Index("ix_sample_model_request", "model", "request"),
    sa.Index("ix_sample_model_reference", "model", "reference"),
    sa.Index("ix_sample_model_label_number", "model", "label_number"),
    sa.Index("ix_sample_sha256", "sha256"),
    sa.Index("ix_sample_subject", "subject"),
    sa.Index("ix_sample_expires_at", "expires_at"),
)

label = sa.Table(
    "label",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("sample", sa.String(240), nullable=False, index=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("label", sa.Integer),  # null: withdrawn
    sa.Column("previous", sa.Integer),
    sa.Column("by", sa.String(80), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sqlite_autoincrement=True,  # the lake knows by its number what it has: none is given twice
)
"""Every label that anybody gave, in the order of arrival."""

waiting_label = sa.Table(
    "waiting_label",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("reference", sa.String(200), primary_key=True),
    sa.Column("hashed", sa.String(64), nullable=False, index=True),  # as a device tells it that hashes references
    sa.Column("label", sa.Integer, nullable=False),
    sa.Column("by", sa.String(80), nullable=False),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("source", sa.String(20), nullable=False),
)
"""Labels of requests whose samples are not here yet: a device may be offline for weeks."""

lake_row = sa.Table(
    "lake_row",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("sample", sa.String(240), nullable=False, index=True),
    sa.Column("outputs", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""Samples that are on their way to the lake, with what only the lake keeps of them."""

data_policy = sa.Table(
    "data_policy",
    metadata,
    sa.Column("model", sa.String(40), primary_key=True),
    sa.Column("policy", sa.JSON, nullable=False),
    sa.Column("set_by", sa.String(80), nullable=False),
    sa.Column("set_at", sa.Float, nullable=False),
)

collection = sa.Table(
    "collection",
    metadata,
    sa.Column("request", sa.String(120), primary_key=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("budget", sa.Integer, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("opened_at", sa.Float, nullable=False),
)
"""Requests for samples: so many of each device that runs the model."""

doomed_blob = sa.Table("doomed_blob", metadata, sa.Column("sha256", sa.String(64), primary_key=True))
"""Blobs of rows that were deleted: they go once nothing refers to them, also after a crash in between."""

erased_subject = sa.Table(
    "erased_subject",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("erased_at", sa.Float, nullable=False),
)
"""Whose data was erased, by key: what a device sends late, taken before that moment, is not taken in."""

subject_row = sa.Table(
    "subject_row",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("subject", sa.String(64), nullable=False, index=True),  # a key: of a subject, or of what a reference says
    sa.Column("types", sa.JSON, nullable=False),
    sa.Column("digest", sa.String(32), nullable=False, index=True),
)
"""Marks of the rows that joined snapshots and tell of somebody: snapshots/marks.py."""
