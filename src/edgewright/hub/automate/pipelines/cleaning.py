"""Which rows of a dataset will not do, and why: pure rules on arrays."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from edgewright.contract.tensors import Contract, Kind, TensorSpec
from edgewright.hub.automate.pipelines.params import CleanParams

Arrays = Mapping[str, np.ndarray]
MAX_EXAMPLES = 5
LABEL = "label"
"""As hub.data calls it, which is more than a child that cleans wants to import."""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that went for one reason, some of them by their place in the file."""

    why: str
    rows: int
    examples: tuple[int, ...]


class Cleaned(msgspec.Struct, frozen=True, kw_only=True):
    """What a cleaning did. A row counts for the first reason that it has. `per_class` is what stays."""

    rows_before: int
    rows_after: int
    dropped: tuple[Dropped, ...] = ()
    per_class: dict[str, int] = {}

    @property
    def share(self) -> float:
        """How much of the rows went."""
        return 1 - self.rows_after / self.rows_before if self.rows_before else 0.0


def clean(
    rows: Arrays, held_out: Sequence[Arrays], contract: Contract | None, params: CleanParams
) -> tuple[np.ndarray, Cleaned]:
    """Which rows stay (a boolean array of shape (rows,)), and what went. All arrays have one row to an example.

    The rules are asked in this order: missing values, ranges, labels, duplicates, conflicts, rows of the hold-out.
    """
    count = len(next(iter(rows.values())))
    reasons = np.full(count, "", dtype=object)
    _mark(reasons, _missing(rows) if params.drops_missing else (), "a value is missing")
    for name, column, low, high in _bounds(rows, contract, params.ranges):
        outside = (column < low) | (column > high)
        _mark(reasons, outside, f"{name} is outside {low:g} to {high:g}")
    known = params.classes or _classes(contract)
    if LABEL in rows and known:
        _mark(reasons, ~np.isin(rows[LABEL], known), "the label is none of the classes")
    _mark_repeated(reasons, rows, held_out, params)
    stays = reasons == ""
    return stays, Cleaned(
        rows_before=count,
        rows_after=int(stays.sum()),
        dropped=_told(reasons),
        per_class=_per_class(rows, stays),
    )


def _mark(reasons: np.ndarray, which: np.ndarray | Sequence[bool], why: str) -> None:
    """Give rows their reason, where they have none yet."""
    if len(which):
        reasons[np.asarray(which) & (reasons == "")] = why


def _missing(rows: Arrays) -> np.ndarray:
    found = np.zeros(len(next(iter(rows.values()))), dtype=bool)
    for array in rows.values():
        if array.dtype.kind in "fc":
            found |= ~np.isfinite(_flat(array)).all(axis=1)
    return found


def _flat(array: np.ndarray) -> np.ndarray:
    """One row to an example, also of none."""
    return array.reshape(len(array), int(np.prod(array.shape[1:])))


def _bounds(
    rows: Arrays, contract: Contract | None, extra: Mapping[str, tuple[float, float]]
) -> list[tuple[str, np.ndarray, float, float]]:
    """Each column that has bounds: its name, its values, its smallest and its largest."""
    specs = {spec.name: spec for spec in contract.inputs} if contract else {}
    found = []
    for name, array in rows.items():
        if array.dtype.kind not in "biuf":
            continue
        flat = _flat(array)
        names = specs[name].names if name in specs else ()
        for place in range(flat.shape[1]):
            column = f"{name}.{names[place]}" if place < len(names) else name
            low, high = extra.get(column) or extra.get(name) or _range(specs.get(name), place)
            if np.isfinite(low) or np.isfinite(high):
                found.append((column, flat[:, place], low, high))
    return found


def _range(spec: TensorSpec | None, place: int) -> tuple[float, float]:
    """The range that the contract gives a column; endless where it gives none."""
    low = _bound(spec.low, place) if spec else None
    high = _bound(spec.high, place) if spec else None
    return (-np.inf if low is None else low), (np.inf if high is None else high)


def _bound(bounds: tuple[float | None, ...] | msgspec.UnsetType, place: int) -> float | None:
    """One number is for all columns."""
    if not isinstance(bounds, tuple) or not bounds:
        return None
    return bounds[place] if place < len(bounds) else bounds[0] if len(bounds) == 1 else None


def _classes(contract: Contract | None) -> tuple[int, ...]:
    outputs = [contract.output_of(kind) for kind in (Kind.SCORES, Kind.LABEL)] if contract else []
    names = next((spec.names for spec in outputs if spec is not None and spec.names), ())
    return tuple(range(len(names)))


def _mark_repeated(reasons: np.ndarray, rows: Arrays, held_out: Sequence[Arrays], params: CleanParams) -> None:
    inputs = sorted(name for name in rows if name != LABEL)
    keys = _keys(rows, inputs)
    labels = rows[LABEL].tolist() if LABEL in rows else [None] * len(keys)
    kept = [place for place, reason in enumerate(reasons) if not reason]
    said: dict[bytes, set[object]] = defaultdict(set)
    for place in kept:
        said[keys[place]].add(labels[place])
    held = {key for other in held_out if set(inputs) <= set(other) for key in _keys(other, inputs)}
    seen: set[bytes] = set()
    for place in kept:
        key = keys[place]
        if params.drops_conflicts and len(said[key]) > 1:
            reasons[place] = "equal rows have different labels"
        elif params.drops_duplicates and key in seen:
            reasons[place] = "it is there already"
        elif params.drops_held_out and key in held:
            reasons[place] = "the hold-out has it too"
        seen.add(key)


def _keys(rows: Arrays, names: Sequence[str]) -> list[bytes]:
    """A digest of each row's inputs."""
    count = len(rows[names[0]]) if names else 0
    parts = [np.ascontiguousarray(rows[name]) for name in names]
    whole = (b"".join(part[at].tobytes() for part in parts) for at in range(count))
    return [hashlib.blake2b(row, digest_size=16).digest() for row in whole]


def _told(reasons: np.ndarray) -> tuple[Dropped, ...]:
    counts = Counter(reason for reason in reasons.tolist() if reason)
    return tuple(
        Dropped(why=why, rows=rows, examples=tuple(np.flatnonzero(reasons == why)[:MAX_EXAMPLES].tolist()))
        for why, rows in counts.most_common()
    )


def _per_class(rows: Arrays, stays: np.ndarray) -> dict[str, int]:
    if LABEL not in rows:
        return {}
    values, counts = np.unique(rows[LABEL][stays], return_counts=True)
    return {str(value): int(count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)}
