"""Migrations: from nothing, and from any earlier release, to exactly the tables that the rooms declare."""

from __future__ import annotations

from typing import Any

import alembic.command
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import edgewright.hub
from edgewright.hub.db import Database
from edgewright.hub.tables import metadata


def test_an_empty_file_gets_the_tables_that_the_rooms_declare(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'hub.sqlite'}")

    db.migrate()

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    db.close()


def test_indexes_and_keys_are_those_that_the_rooms_declare(tmp_path):
    migrated, declared = (Database(f"sqlite:///{tmp_path / name}") for name in ("migrated.sqlite", "declared.sqlite"))

    migrated.migrate()
    metadata.create_all(declared.engine)

    assert shape(migrated) == shape(declared)
    migrated.close()
    declared.close()


def test_a_file_that_is_up_to_date_stays_as_it_is(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'hub.sqlite'}")
    db.migrate()
    before = shape(db)

    db.migrate()

    assert shape(db) == before
    db.close()


def test_a_hub_with_rows_in_every_table_keeps_its_devices_and_when_they_were_heard(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'hub.sqlite'}")
    migrate_to(db, "0017")
    tables = sa.MetaData()
    tables.reflect(db.engine)
    with db.write() as connection:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                connection.execute(sa.insert(table).values({one.name: some(one) for one in table.columns}))

    db.migrate()

    with db.read() as connection:
        devices = connection.execute(sa.text("SELECT id FROM device")).scalars().all()
        sessions = connection.execute(sa.text("SELECT device FROM device_session")).scalars().all()
        heard = connection.execute(sa.text("SELECT device, last_seen_at, backlog FROM device_heard")).all()
    assert (devices, sessions, heard) == (["1"], ["1"], [("1", 1.0, 1)])
    db.close()


def test_the_migrations_are_one_line_without_branches():
    config = Config()
    config.set_main_option("script_location", edgewright.hub.__path__[0] + "/migrations")

    script = ScriptDirectory.from_config(config)

    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def migrate_to(db: Database, revision: str) -> None:
    """As an earlier release left its tables."""
    config = Config()
    config.set_main_option("script_location", edgewright.hub.__path__[0] + "/migrations")
    config.attributes["engine"] = db.engine
    alembic.command.upgrade(config, revision)


def some(column: sa.Column[Any]) -> object:
    """A value that the column takes, the same for all that refer to one another."""
    kind = column.type
    if isinstance(kind, sa.JSON):
        return {}
    if isinstance(kind, sa.LargeBinary):
        return b"1"
    return "1" if isinstance(kind, sa.String) else True if isinstance(kind, sa.Boolean) else 1


def shape(db: Database) -> dict[str, object]:
    """Every table with its columns, keys and indexes, in any order."""
    inspector = sa.inspect(db.engine)
    return {
        name: (
            sorted((column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)),
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted(
                (key["constrained_columns"], key["referred_table"], key["referred_columns"])
                for key in inspector.get_foreign_keys(name)
            ),
            sorted((index["name"], index["column_names"], index["unique"]) for index in inspector.get_indexes(name)),
            sorted(key["column_names"] for key in inspector.get_unique_constraints(name)),
        )
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }
