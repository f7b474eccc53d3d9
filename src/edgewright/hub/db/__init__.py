"""The database: one engine, short transactions, and what shall happen once a transaction has committed."""

from edgewright.hub.db.bulk import insert_all
from edgewright.hub.db.database import Database, after_commit, metadata, savepoint, to_record
from edgewright.hub.db.engines import (
    PRAGMAS,
    DatabaseAway,
    DatabaseBusy,
    DoesNotFit,
    NewerDatabase,
    WrongDatabase,
    key_of,
    session_of,
)

__all__ = [
    "PRAGMAS",
    "Database",
    "DatabaseAway",
    "DatabaseBusy",
    "DoesNotFit",
    "NewerDatabase",
    "WrongDatabase",
    "after_commit",
    "insert_all",
    "key_of",
    "metadata",
    "savepoint",
    "session_of",
    "to_record",
]
