"""Tables of runs, and of the hubs that share them."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.contract.api import RunState
from edgewright.hub.db import metadata

ENDED = tuple(state for state in RunState if state.is_ended)

run_table = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False, index=True),
    sa.Column("subject", sa.String(200), nullable=False, index=True),
    sa.Column("args", sa.JSON, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("step", sa.String(200), nullable=False, default=""),
    sa.Column("fraction", sa.Float, nullable=False, default=0.0),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("result", sa.JSON, nullable=False, default=dict),
    sa.Column("log", sa.Text, nullable=False, default=""),
    sa.Column("why", sa.Text, nullable=False, default=""),
)

hub_table = sa.Table(
    "hub",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),  # by the database's clock
)
