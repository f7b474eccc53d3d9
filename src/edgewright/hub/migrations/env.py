"""Alembic's entry: runs the migrations on the hub's own engine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from edgewright.hub.db import key_of
from edgewright.hub.tables import metadata


def run() -> None:
    """Apply what is missing, in one transaction."""
    with context.config.attributes["engine"].connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":  # where another hub may start at the same time
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key_of("writer"))))
            context.run_migrations()


run()
