"""Where a person's samples went: rows of snapshots, versions that learned from them, self-tests that hold them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgewright.contract import arrays
from edgewright.contract.api import FileRef, ModelRecord, SeenBy, SnapshotRecord, SnapshotTrace
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.data import npz
from edgewright.hub.data.model import Arrays
from edgewright.hub.data.snapshots import rows
from edgewright.hub.data.snapshots.marks import Mark, marked

IN = "in:"


class Hold(NamedTuple):
    """Which rows of one file are among those that are looked for."""

    mask: np.ndarray  # (rows,), bool

    @property
    def size(self) -> int:
        """How many they are."""
        return int(self.mask.sum())


class Finder:
    """Finds rows that are equal to samples, whoever put them where they are, or have marks. Each file is read once."""

    def __init__(self, samples: Sequence[Arrays], marks: Sequence[Mark], path_of: Callable[[str], Path]) -> None:
        self._samples = samples
        self._marks = marks
        self._path_of = path_of
        self._known: dict[str, Hold] = {}

    def in_file(self, file: FileRef) -> Hold:
        """The rows that a file of a snapshot holds; only .npz files have rows."""
        if file.sha256 not in self._known:
            is_table = file.path.endswith(".npz")
            read = partial(npz.read, self._path_of(file.sha256), file.path) if is_table else dict
            self._known[file.sha256] = self.in_arrays(read())
        return self._known[file.sha256]

    @property
    def has_any(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._samples or self._marks)

    def in_self_test(self, sha256: str) -> bool:
        """Whether a package's golden rows hold one; no where they cannot be read any more."""
        try:
            found = arrays.decode(self._path_of(sha256).read_bytes())
        except (EdgewrightError, OSError):
            return False
        passed = {name.removeprefix(IN): array for name, array in found.items() if name.startswith(IN)}
        return self.in_arrays(passed).size > 0

    def in_arrays(self, held: Arrays) -> Hold:
        """The rows that arrays hold, told apart by the arrays that they share with a sample."""
        wanted: dict[tuple[str, ...], set[rows.RowDigest]] = defaultdict(set)
        for sample in self._samples:
            names = rows.input_names(held, sample)
            if names and _fit(held, sample, names):
                typed = {name: rows.as_typed(sample[name], held[name]) for name in names}
                wanted[names].update(rows.digests(typed, names))
        mask = marked(held, self._marks)
        for names, gone in wanted.items():
            mask |= np.array([digest in gone for digest in rows.digests(held, names)], dtype=bool)
        return Hold(mask)


def trace(snapshot: SnapshotRecord, finder: Finder) -> SnapshotTrace | None:
    """Which files of a snapshot hold such rows; None where none does."""
    counts = {file.path: finder.in_file(file).size for file in snapshot.files}
    held = {path: count for path, count in counts.items() if count}
    return SnapshotTrace(snapshot=snapshot.id, rows=held) if held else None


def with_replaced(held: Iterable[str], snapshots: Sequence[SnapshotRecord]) -> frozenset[str]:
    """Snapshots, and all whose place they took: what a successor holds, those held too. `snapshots` oldest first."""
    found = set(held)
    for snapshot in reversed(snapshots):
        if snapshot.replaced_by in found:
            found.add(snapshot.id)
    return frozenset(found)


def seen_by(models: Iterable[ModelRecord], snapshots: frozenset[str]) -> list[SeenBy]:
    """The versions that learned from one of these snapshots, and those that go on from such a version."""
    found = []
    for model in models:
        seen: set[int] = set()
        for version in sorted(model.versions, key=lambda one: one.version):
            name = f"{model.name}@{version.version}"
            if version.lineage.snapshot in snapshots:
                found.append(SeenBy(version=name, why=f"trained on {version.lineage.snapshot}"))
            elif version.lineage.parent in seen:
                found.append(SeenBy(version=name, why=f"goes on from {model.name}@{version.lineage.parent}"))
            else:
                continue
            seen.add(version.version)
    return found


def _fit(held: Arrays, sample: Mapping[str, np.ndarray], names: Sequence[str]) -> bool:
    return all(
        held[name].shape[1:] == sample[name].shape[1:]
        and (held[name].dtype.kind in "OUS") == (sample[name].dtype.kind in "OUS")
        for name in names
    )
