"""Datasets: what a snapshot is made of, and how labelled samples join it. Pure rules."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.contract.api import FileRef, SampleRecord
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.errors import InvalidInput, NotFound, Refused

TRAIN = "train.npz"
HOLDOUT = "holdout.npz"
HOLDOUT_NEW = "holdout_new.npz"
LABEL = "label"
RESERVOIR = "reservoir"
MAX_PART_BYTES = 200
MAX_AGE_S = 366 * 86_400.0

Arrays = Mapping[str, np.ndarray]


class Answer(NamedTuple):
    """What a version answered, and what people say was right. `number` is the place in the order of first labels.

    `predicted` and `score` are None where the version's choice, or how sure it was, is not known. `labelled_at` is when
    the first label came, `at` when the request was answered.
    """

    number: int
    device: str
    at: float
    labelled_at: float
    predicted: int | None
    label: int
    chosen_as: str
    groups: Mapping[str, str]
    score: float | None = None


class UnknownSnapshot(NotFound):
    code = "unknown_snapshot"
    hint = "`edgewright data ls` lists the snapshots."


class UnknownSample(NotFound):
    code = "unknown_sample"


class NothingLabelled(Refused):
    code = "nothing_labelled"
    hint = "Label samples first: `edgewright data label FILE.csv`."


def newest(replaced_by: Sequence[tuple[int, str]]) -> int | None:
    """The number of a dataset's newest snapshot, given each one's number and successor ('' for none), in their order.

    It is the last of the line that began last: the successor of an old snapshot has old data under a new number.
    """
    began: dict[int, int] = {}  # by number of a successor, the number with which its line began
    last: dict[int, int] = {}
    for number, successor in replaced_by:
        line = began.pop(number, number)
        last[line] = number
        if successor:
            began[int(successor.rpartition("@")[2])] = line
    return last[max(last)] if last else None


def check_files(files: Sequence[FileRef]) -> None:
    """Raise InvalidInput unless there are files and their paths are fine."""
    if not files:
        raise InvalidInput("a snapshot has at least one file", field="files")
    check_paths(files, "files.path")


def check_paths(files: Sequence[FileRef], field: str) -> None:
    """Raise InvalidInput unless the files can lie in one folder: relative, plain paths, none within another."""
    paths: set[str] = set()
    folders: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\\" in file.path:
            raise InvalidInput(f"'{file.path[:200]}' leaves the folder", field=field, hint=_PATH_HINT)
        if not file.path.isprintable() or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
            raise InvalidInput(f"{file.path[:200]!r} is no plain path", field=field, hint=_PATH_HINT)
        if file.path in paths:
            raise InvalidInput(f"'{file.path}' is named twice", field=field)
        paths.add(file.path)
        folders.update("/".join(parts[:end]) for end in range(1, len(parts)))
    if both := paths & folders:
        raise InvalidInput(f"'{min(both)}' is a file and a folder", field=field)


_PATH_HINT = "Paths are relative, with forward slashes, printable, and without '..'."


def snapshot_digest(files: Sequence[FileRef]) -> str:
    """SHA-256 over every path and digest, in the order of the paths."""
    pairs = sorted((file.path, file.sha256) for file in files)
    return hashlib.sha256(msgspec.json.encode(pairs)).hexdigest()


def check_rows(arrays: Arrays, where: str) -> int:
    """The number of rows, which all arrays share; raises InvalidInput."""
    lengths = {name: len(array) if array.ndim else -1 for name, array in arrays.items()}
    if not lengths or len(set(lengths.values())) != 1 or -1 in lengths.values():
        hint = "All arrays of a file have one row to an example."
        raise InvalidInput(f"the arrays of {where} differ in length: {lengths}", field=where, hint=hint)
    return next(iter(lengths.values()))


def sample_id(device: str, id: str) -> str:
    """What a sample is called here, given what its device calls it."""
    return f"{device}:{id}"


def split(samples: Sequence[SampleRecord]) -> tuple[list[SampleRecord], list[SampleRecord]]:
    """Which labelled samples are for training, and which for the hold-out: see Data.extend."""
    training = [item for item in samples if item.chosen_as != RESERVOIR]
    seen = {item.reference for item in training if item.reference}
    return training, [item for item in samples if item.chosen_as == RESERVOIR and item.reference not in seen]


def expiry(policy: DataPolicy, at: float, now: float) -> float | None:
    """When a sample that was taken at `at` is to be deleted; None: nobody has said.

    A device whose clock is years off does not have its samples deleted at once, or kept for longer than from now on.
    """
    if not policy.retention_days:
        return None
    taken_at = at if now - MAX_AGE_S <= at <= now else now
    return taken_at + policy.retention_days * 86_400
