"""Alembic's entry: runs the migrations on the hub's own engine."""

from __future__ import annotations

from alembic import context

from edgewright.hub.tables import metadata


def run() -> None:
    """Apply what is missing, in one transaction."""
    with context.config.attributes["engine"].connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()


run()
