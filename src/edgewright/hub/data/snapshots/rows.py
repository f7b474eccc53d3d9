"""Rows of a snapshot's files by their content: what is new, what is there already, what two snapshots differ in."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from edgewright.contract.api import FileDiff
from edgewright.contract.errors import InvalidInput
from edgewright.hub.data.model import LABEL, Arrays

RowDigest = bytes


def input_names(arrays: Arrays, among: Collection[str] = ()) -> tuple[str, ...]:
    """The arrays that make a row what it is: all but the label, or those of `among` alone where any are named."""
    return tuple(sorted(name for name in arrays if name != LABEL and (not among or name in among)))


def digests(arrays: Arrays, names: Sequence[str]) -> list[RowDigest]:
    """A digest of each row's content, in the arrays' own types; equal rows have equal ones, whatever their label."""
    if not names or any(name not in arrays for name in names):
        return []
    columns = [_bytes_of(arrays[name]) for name in names]
    return [hashlib.blake2b(b"\0".join(row), digest_size=16).digest() for row in zip(*columns, strict=True)]


def grow(old: Arrays | None, rows: Arrays) -> dict[str, np.ndarray]:
    """`rows` appended to `old`, array by array, in the types of `old`; raises InvalidInput where they do not fit.

    What only one of the two has is left out if it is of `rows`, and refused if it is of `old`.
    """
    if old is None:
        return dict(rows)
    if missing := sorted(set(old) - set(rows)):
        message = f"the samples have {sorted(rows)}, the dataset has {sorted(old)}"
        hint = f"They lack {', '.join(missing)}: the data policy may keep it on the devices."
        raise InvalidInput(message, field="samples", hint=hint)
    for name, array in old.items():
        if array.shape[1:] != rows[name].shape[1:]:
            message = f"samples of '{name}' have shape {rows[name].shape[1:]}, the dataset has {array.shape[1:]}"
            raise InvalidInput(message, field=f"samples.{name}")
    return {name: np.concatenate([array, as_typed(rows[name], array)]) for name, array in old.items()}


def as_typed(rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Rows in the element type of others; text keeps its length."""
    return rows.astype(str) if like.dtype.kind in "OUS" else rows.astype(like.dtype)


def compare(path: str, before: Arrays, after: Arrays) -> FileDiff:
    """How the rows of one file differ, by content and in any order; equal rows count as often as they are there."""
    names = input_names(before, after)
    old, new = (list(zip(digests(side, names), _labels(side), strict=True)) for side in (before, after))
    rows_old, rows_new = (Counter(digest for digest, _ in side) for side in (old, new))
    both = sum((rows_old & rows_new).values())
    alike = sum((Counter(old) & Counter(new)).values())
    added, removed = len(new) - both, len(old) - both
    return FileDiff(
        path=path,
        change="changed" if added or removed or both > alike else "same",
        rows_before=len(old),
        rows_after=len(new),
        rows_added=added,
        rows_removed=removed,
        relabelled=both - alike,
        labels_before=_counted(before),
        labels_after=_counted(after),
    )


def shared(train: Arrays, holdout: Arrays) -> int:
    """How many rows of a hold-out are also learned from."""
    names = input_names(train)
    learned = set(digests(train, names))
    return sum(digest in learned for digest in digests(holdout, names))


def _bytes_of(array: np.ndarray) -> list[bytes]:
    """The content of each row."""
    if array.dtype.kind in "OUS":
        rows = array.reshape(len(array), -1).tolist()
        return ["\0".join(map(str, row)).encode() for row in rows]
    plain = np.ascontiguousarray(array)
    width = plain.dtype.itemsize * int(np.prod(plain.shape[1:], dtype=np.int64))
    data = plain.tobytes()
    return [data[start : start + width] for start in range(0, len(data), width)] if width else [b""] * len(plain)


def _labels(arrays: Arrays) -> list[object]:
    if LABEL in arrays:
        return list(arrays[LABEL].tolist())
    return [None] * len(next(iter(arrays.values())))


def _counted(arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    counts = Counter(map(str, _labels(arrays)))
    return dict(sorted(counts.items())) if LABEL in arrays else {}
