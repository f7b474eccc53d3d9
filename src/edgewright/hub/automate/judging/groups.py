"""Which group each row of a hold-out belongs to, by the keys that a project declares. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from edgewright.contract.api import EvaluationRules
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract

MAX_GROUPS = 64
UNKNOWN = "unknown"

Arrays = Mapping[str, np.ndarray]


def group_columns(arrays: Arrays, contract: Contract, rules: EvaluationRules) -> dict[str, np.ndarray]:
    """The group of each row, as text, by key; keys that this hold-out does not tell are left out.

    A key names an array with one value a row, or 'input.column' by the column's name or number. Numbers are cut at
    `rules.cuts`; without cuts each value is a group. Raises InvalidInput for more than MAX_GROUPS.
    """
    found = {}
    for key in rules.groups:
        values = _values(arrays, contract, key)
        if values is not None:
            found[key] = _named(key, values, rules.cuts.get(key, ()))
    return found


def _values(arrays: Arrays, contract: Contract, key: str) -> np.ndarray | None:
    """One value for each row, or None."""
    name, _, column = key.partition(".")
    array = arrays.get(key) if key in arrays else arrays.get(name)
    if array is None:
        return None
    flat = array.reshape(len(array), -1)
    if not column or key in arrays:
        return flat[:, 0] if flat.shape[1] == 1 else None
    spec = contract.input(name)
    names = list(spec.names) if spec else []
    place = names.index(column) if column in names else int(column) if column.isdecimal() and len(column) < 9 else -1
    return flat[:, place] if 0 <= place < flat.shape[1] else None


def _named(key: str, values: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    if cuts and values.dtype.kind in "biuf":
        return _cut(values.astype(np.float64), cuts)
    texts = values.astype(str)
    texts = np.where(texts == "", UNKNOWN, texts)
    count = len(np.unique(texts))
    if count > MAX_GROUPS:
        hint = f"Give the edges of its groups under [evaluation.cuts], or name another key than '{key}'."
        raise InvalidInput(f"'{key}' tells {count} groups, at most {MAX_GROUPS} are compared", field=key, hint=hint)
    return texts


def _cut(values: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """'below 12', '12 to 14', '14 and above'; what is no number is unknown."""
    edges = sorted(cuts)
    names = [f"below {edges[0]:g}"]
    names += [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    names.append(f"{edges[-1]:g} and above")
    places = np.searchsorted(np.asarray(edges), values, side="right")
    return np.where(np.isnan(values), UNKNOWN, np.asarray(names)[np.minimum(places, len(edges))])
