"""Labels with their history, what policies say of samples, and rows on their way to the lake."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    _grow_samples()
    op.create_table(
        "label",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sample", sa.String(length=240), nullable=False),
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("label", sa.Integer()),
        sa.Column("previous", sa.Integer()),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_label")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_label_sample"), "label", ["sample"])
    op.create_table(
        "waiting_label",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("hashed", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("model", "reference", name=op.f("pk_waiting_label")),
    )
    op.create_index(op.f("ix_waiting_label_hashed"), "waiting_label", ["hashed"])
    op.create_table(
        "lake_row",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sample", sa.String(length=240), nullable=False),
        sa.Column("outputs", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_lake_row")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_lake_row_sample"), "lake_row", ["sample"])
    op.create_table(
        "data_policy",
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("set_by", sa.String(length=80), nullable=False),
        sa.Column("set_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_data_policy")),
    )
    _carry_over()


def _grow_samples() -> None:
    with op.batch_alter_table("sample") as sample:
        sample.add_column(sa.Column("labelled_at", sa.Float()))
        sample.add_column(sa.Column("label_number", sa.Integer()))
        sample.add_column(sa.Column("is_disputed", sa.Boolean(), nullable=False, server_default=sa.false()))
        sample.add_column(sa.Column("subject", sa.String(length=64), nullable=False, server_default=""))
        sample.add_column(sa.Column("groups", sa.JSON(), nullable=False, server_default="{}"))
        sample.add_column(sa.Column("weight", sa.Float(), nullable=False, server_default="0"))
        sample.add_column(sa.Column("expires_at", sa.Float()))
    with op.batch_alter_table("sample") as sample:
        for name in ("is_disputed", "subject", "groups", "weight"):
            sample.alter_column(name, server_default=None)
    for columns in (["model", "reference"], ["model", "label_number"], ["sha256"], ["subject"], ["expires_at"]):
        op.create_index("_".join(["ix_sample", *columns]), "sample", columns)


def _carry_over() -> None:
    """Labels begin their history in the order of their samples; all samples are still to reach the lake."""
    sample, label, row = (_table(name, columns) for name, columns in _COLUMNS.items())
    given = sa.select(sample.c.id, sample.c.model, sample.c.label, sample.c.labelled_by, sample.c.at, sa.literal("api"))
    given = given.where(sample.c.label.is_not(None)).order_by(sample.c.at, sample.c.id)
    op.execute(sa.insert(label).from_select(["sample", "model", "label", "by", "at", "source"], given))
    first = sa.select(label.c.number).where(label.c.sample == sample.c.id).scalar_subquery()
    was = sa.update(sample).where(sample.c.label.is_not(None))
    op.execute(was.values(label_number=first, labelled_at=sample.c.at))
    empty = sa.literal(b"", sa.LargeBinary)
    op.execute(sa.insert(row).from_select(["sample", "outputs"], sa.select(sample.c.id, empty).order_by(sample.c.at)))


_COLUMNS = {
    "sample": ("id", "model", "label", "labelled_by", "at", "label_number", "labelled_at"),
    "label": ("number", "sample", "model", "label", "by", "at", "source"),
    "lake_row": ("sample", "outputs"),
}


def _table(name: str, columns: tuple[str, ...]) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))
