"""A device's history, newest first, page by page, from whatever rooms remember of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from edgewright.contract.api import TimelineEntry
from edgewright.contract.errors import InvalidInput
from edgewright.hub.db import Database
from edgewright.hub.events import event_table

MAX_PAGE = 200
MAX_SHOWN_CHARS = 100
UNTOLD = ("fleet.began",)
"""What hubs tell each other of a device, and nobody else wants to know."""
LAST = 2**31 - 1


class Until(NamedTuple):
    """Entries before this: earlier than `at`, or then and with a smaller number."""

    at: float
    number: int

    def before(self, at: sa.ColumnElement[Any], number: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """The same, in SQL."""
        return sa.or_(at < self.at, sa.and_(at == self.at, number < self.number))


class Source(Protocol):
    """Something that remembers what happened to devices. An entry's id is 'NAME-NUMBER'."""

    @property
    def name(self) -> str: ...

    def entries(
        self, connection: sa.Connection, device: str, until: Until | None, limit: int
    ) -> Iterable[TimelineEntry]:
        """At most `limit` entries of a device, the newest first, by time and then by number."""
        ...


class Timeline:
    """Histories, put together of several sources."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._sources: list[Source] = [OwnEvents()]

    def add(self, source: Source) -> None:
        """Take another source in."""
        self._sources.append(source)

    def page(self, device: str, before: str, limit: int) -> list[TimelineEntry]:
        """At most `limit` entries, newest first; those before the entry of id and time `before` ('ID@TIME').

        Raises InvalidInput.
        """
        if not 0 < limit <= MAX_PAGE:
            raise InvalidInput(f"a page has 1 to {MAX_PAGE} entries, not {limit}", field="limit")
        mark = _mark(before)
        names = [source.name for source in self._sources]
        with self._db.read() as connection:
            found = [
                entry
                for place, source in enumerate(self._sources)
                for entry in source.entries(connection, device, _until(mark, place, names), limit)
            ]
        return sorted(found, key=lambda entry: _order(entry, names), reverse=True)[:limit]


class OwnEvents:
    """Events whose subject is the device."""

    name = "event"

    def entries(
        self, connection: sa.Connection, device: str, until: Until | None, limit: int
    ) -> Iterable[TimelineEntry]:
        """Enrolment, states, labels, faults, and what people want of its models."""
        of = event_table.c
        query = sa.select(event_table).where(of.subject == device, of.kind.not_in(UNTOLD))
        if until is not None:
            query = query.where(until.before(of.at, of.number))
        for row in connection.execute(query.order_by(of.at.desc(), of.number.desc()).limit(limit)).mappings():
            yield entry_of(self.name, row["number"], row["at"], row["kind"], dict(row["data"]))


def entry_of(source: str, number: int, at: float, kind: str, data: dict[str, Any]) -> TimelineEntry:
    """An entry whose words are what `data` says beside who did it and to which device."""
    by, _ = str(data.pop("by", "")), data.pop("device", None)
    told = ", ".join(f"{name} {_words(value)}" for name, value in data.items() if value or _is_number(value))
    return TimelineEntry(id=entry_id(source, number, at), at=at, kind=kind, by=by, what=told)


def entry_id(source: str, number: int, at: float) -> str:
    """What a page goes on from."""
    return f"{source}-{number}@{at!r}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, dict):
        return " ".join(f"{name}={one}" for name, one in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _order(entry: TimelineEntry, names: list[str]) -> tuple[float, int, int]:
    source, _, number = entry.id.partition("@")[0].rpartition("-")
    return entry.at, names.index(source), int(number)


def _mark(before: str) -> tuple[str, Until] | None:
    if not before:
        return None
    name, _, at = before.partition("@")
    source, _, number = name.rpartition("-")
    try:
        until = Until(float(at), int(number))
    except ValueError:
        until = Until(math.nan, 0)
    if not math.isfinite(until.at) or not 0 <= until.number <= LAST:
        raise InvalidInput(
            f"'{before[:MAX_SHOWN_CHARS]}' is no entry of a history",
            field="before",
            hint="Give the id of the last entry that you have.",
        )
    return source, until


def _until(mark: tuple[str, Until] | None, place: int, names: list[str]) -> Until | None:
    """At one moment a later source's entries come first."""
    if mark is None:
        return None
    name, until = mark
    if name not in names:
        raise InvalidInput(f"'{name}' is no kind of entry", field="before")
    marked = names.index(name)
    return until if place == marked else Until(until.at, LAST if place < marked else -1)
