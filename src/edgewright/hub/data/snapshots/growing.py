"""Which labelled samples join a snapshot, and where: none twice, and none in both the training rows and a hold-out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from edgewright.contract.api import SampleRecord
from edgewright.hub.data.model import HOLDOUT, HOLDOUT_NEW, LABEL, RESERVOIR, TRAIN, Arrays, split
from edgewright.hub.data.snapshots import rows
from edgewright.hub.data.snapshots.marks import Mark, mark

DEVICE = "device"
WEIGHT = "weight"
Load = Callable[[SampleRecord], Arrays]
"""The inputs of a sample, one row each."""


class Grown(NamedTuple):
    """The files of a snapshot that have changed, how many rows joined, and how many labelled samples did not.

    `marks` are those of the samples, by id, whose content is in the files now, be it that another brought it.
    """

    files: dict[str, dict[str, np.ndarray]]
    added: int
    left_out: int
    marks: dict[str, Mark]


def grown(files: Mapping[str, Arrays], samples: Sequence[SampleRecord], load: Load) -> Grown:
    """Let samples join files: those chosen for uncertainty the training rows, the reservoir the new hold-out.

    A row that a file has already stays there alone, whichever it is; of two that are new, the one for training stays.
    Raises InvalidInput where samples do not fit the dataset.
    """
    like = files.get(TRAIN)
    names = rows.input_names(like) if like is not None else ()
    seen = {digest for path in (TRAIN, HOLDOUT, HOLDOUT_NEW) if path in files for digest in _of(files[path], names)}
    changed: dict[str, dict[str, np.ndarray]] = {}
    marks: dict[str, Mark] = {}
    added = 0
    for path, chosen in zip((TRAIN, HOLDOUT_NEW), split(samples), strict=True):
        fresh = _fresh(chosen, seen, marks, like, names, load)
        if fresh:
            stacked = _stack(fresh, files.get(path))
            changed[path] = rows.grow(files.get(path), stacked)
            added += len(fresh)
    return Grown(changed, added, len(samples) - added, marks)


def _fresh(
    chosen: Sequence[SampleRecord],
    seen: set[rows.RowDigest],
    marks: dict[str, Mark],
    like: Arrays | None,
    names: Sequence[str],
    load: Load,
) -> list[tuple[SampleRecord, Arrays]]:
    """Those whose content is in no file yet, each content once; they count as seen from now on. Marks them all."""
    fresh = []
    for sample in chosen:
        row = load(sample)
        typed = {name: rows.as_typed(row[name], like[name]) for name in names if name in row} if like else row
        found = rows.digests(typed, names or rows.input_names(typed))
        if found:
            marks[sample.id] = mark(typed)
        if not found or found[0] not in seen:  # one that does not fit is refused later, by its field
            seen.update(found)
            fresh.append((sample, row))
    return fresh


def _of(arrays: Arrays, names: Sequence[str]) -> list[rows.RowDigest]:
    return rows.digests(arrays, names or rows.input_names(arrays))


def _stack(fresh: Sequence[tuple[SampleRecord, Arrays]], old: Arrays | None) -> dict[str, np.ndarray]:
    """The rows as arrays; those of the reservoir with what tells where they come from and how much they count."""
    samples, loaded = [sample for sample, _ in fresh], [row for _, row in fresh]
    stacked = {name: _text(np.concatenate([row[name] for row in loaded])) for name in loaded[0]}
    stacked[LABEL] = np.array([sample.label for sample in samples], dtype=np.int64)
    if samples[0].chosen_as == RESERVOIR:
        stacked = {**_origin(samples, old), **stacked}
    return stacked


def _origin(samples: Sequence[SampleRecord], old: Arrays | None) -> dict[str, np.ndarray]:
    names = {name for sample in samples for name in sample.groups} if old is None else _words(old)
    told = {name: np.array([sample.groups.get(name, "") for sample in samples]) for name in sorted(names)}
    told[DEVICE] = np.array([sample.device for sample in samples])
    told[WEIGHT] = np.array([sample.weight or 1.0 for sample in samples])
    return told


def _words(old: Arrays) -> set[str]:
    """The groups that a hold-out tells of already."""
    return {name for name, array in old.items() if array.dtype.kind == "U" and array.ndim == 1}


def _text(array: np.ndarray) -> np.ndarray:
    """Text as numpy's own, for no snapshot holds objects."""
    return array.astype(str) if array.dtype.kind == "O" else array
