"""Marks find the rows of snapshots that tell of somebody also when their samples have expired; they hold no content.

A mark is kept under every key by which an erasure may ask for its row, from when the row joins a snapshot until the
person's data is erased.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from edgewright.contract.data_policy import hashed_reference, subject_key
from edgewright.hub.data import table
from edgewright.hub.data.model import Arrays
from edgewright.hub.data.snapshots import rows

TEXT = "text"
AT_ONCE = 400


class Mark(NamedTuple):
    """A row by its content: the types of its arrays by name, as its snapshot has them, and the row's digest in these.

    Types are called as numpy calls them (`dtype.str`); that of words, whatever their length, is 'text'.
    """

    types: tuple[tuple[str, str], ...]
    digest: str  # in hexadecimal


def mark(typed: Arrays) -> Mark:
    """The mark of one row in a snapshot's types."""
    names = rows.input_names(typed)
    (digest,) = rows.digests(typed, names)
    return Mark(tuple((name, _type(typed[name])) for name in names), digest.hex())


def marked(held: Arrays, marks: Iterable[Mark]) -> np.ndarray:
    """Which rows of a file have one of these marks: (rows,), bool."""
    found = np.zeros(max((len(array) for array in held.values()), default=0), dtype=bool)
    wanted: dict[tuple[tuple[str, str], ...], set[str]] = defaultdict(set)
    for one in marks:
        wanted[one.types].add(one.digest)
    for types, gone in wanted.items():
        typed = _typed(held, types)
        if typed is not None:
            found |= np.array([digest.hex() in gone for digest in rows.digests(typed, tuple(typed))], dtype=bool)
    return found


def note(connection: sa.Connection, marks: Mapping[str, Mark]) -> None:
    """Keep the marks of samples, by their ids, that tell of somebody; one that is here already changes nothing."""
    of = table.sample.c
    wanted: set[tuple[str, Mark]] = set()
    for part in _parts(sorted(marks)):
        query = sa.select(of.id, of.subject, of.reference).where(of.id.in_(part))
        for id, subject, reference in connection.execute(query):
            wanted |= {(key, marks[id]) for key in _keys(subject, reference)}
    new = wanted - _known(connection, {key for key, _ in wanted})
    if new:
        values = [{"subject": key, "types": one.types, "digest": one.digest} for key, one in sorted(new)]
        connection.execute(sa.insert(table.subject_row), values)


def find(connection: sa.Connection, subject: str) -> list[Mark]:
    """The marks of the rows that tell of a subject, by its name."""
    keys = {subject_key(subject), subject_key(hashed_reference(subject))}
    return sorted({one for _, one in _known(connection, keys)})


def forget(connection: sa.Connection, marks: Collection[Mark]) -> None:
    """Delete marks, under whatever keys they are."""
    of = table.subject_row.c
    for part in _parts(sorted({one.digest for one in marks})):
        connection.execute(sa.delete(table.subject_row).where(of.digest.in_(part)))


def _keys(subject: str, reference: str) -> set[str]:
    """Of the subject, and of each name that the reference may begin with, up to a '/'."""
    names = {reference, *(reference[:place] for place, sign in enumerate(reference) if sign == "/")}
    return ({subject} | {subject_key(name) for name in names if name}) - {""}


def _known(connection: sa.Connection, keys: Collection[str]) -> set[tuple[str, Mark]]:
    of = table.subject_row.c
    found: set[tuple[str, Mark]] = set()
    for part in _parts(sorted(keys)):
        for key, types, digest in connection.execute(
            sa.select(of.subject, of.types, of.digest).where(of.subject.in_(part))
        ):
            found.add((key, Mark(tuple((name, kind) for name, kind in types), digest)))
    return found


def _typed(held: Arrays, types: Sequence[tuple[str, str]]) -> Arrays | None:
    """The arrays that a mark tells of, in its types; None where there are others."""
    typed = {}
    for name, kind in types:
        if name not in held or (_type(held[name]) == TEXT) != (kind == TEXT):
            return None
        if kind == TEXT:
            typed[name] = held[name]
        elif not np.can_cast(held[name].dtype, kind, "same_kind"):
            return None
        else:
            with np.errstate(over="ignore"):
                typed[name] = held[name].astype(kind)
    return typed


def _type(array: np.ndarray) -> str:
    return TEXT if array.dtype.kind in "OUS" else array.dtype.str


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE))
