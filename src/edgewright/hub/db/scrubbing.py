"""What is deleted for somebody's sake is overwritten too: a database's files keep deleted rows for a while."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa


def begin(connection: sa.Connection) -> None:
    """From here on, what this connection deletes is overwritten with zeros (SQLite: PRAGMA secure_delete)."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def finish(engine: sa.Engine, tables: Sequence[sa.Table]) -> None:
    """After the commit: SQLite's write-ahead log is emptied; PostgreSQL's dead rows are vacuumed away."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    names = ", ".join(engine.dialect.identifier_preparer.format_table(table) for table in tables)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"VACUUM {names}")
