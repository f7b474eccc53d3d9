"""What a hold-out's labels say of a version: which classes it takes for which, and how far its scores can be trusted.

Counted once, when the version is registered, in the slots of its reference profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.profile import Measure, Schema
from edgewright.contract.profile.measures.reading import as_contracted
from edgewright.contract.profile.schema import FeatureBins
from edgewright.contract.tensors import Contract, Kind

FORMAT = 1
LABEL = "label"
HINT = (
    "Give each row one label: the number of its class (the first is 0), or its name as the contract has it. Leave rows "
    "without a label out of the file, or the whole array."
)

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class HoldOutCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of a hold-out that has labels.

    `confusion[i][j]` is how many rows of the i-th class were taken for the j-th, of the classes with a slot in the
    schema's predicted class; `others_right` and `others_wrong` are the rows of which label or answer is none of these.
    `scored` and `right` are the rows in each bin of the schema's score (but 'missing'), and those of them that were
    right; empty for a model without scores.
    """

    format: int = FORMAT
    confusion: tuple[tuple[int, ...], ...]
    others_right: int
    others_wrong: int
    scored: tuple[int, ...] = ()
    right: tuple[int, ...] = ()


def count_hold_out(
    schema: Schema, contract: Contract, outputs: Mapping[str, Array], truth: Array, rows: int
) -> HoldOutCounts | None:
    """Hold the answers to a hold-out against its labels, row by row; None for a model with no one class for each row.

    The hold-out has `rows` rows, of which `outputs` may answer the first ones alone. A label that is none of the
    model's classes makes an answer wrong, as in evaluations: a hold-out may know classes that a model does not. Raises
    InvalidInput where there are more or fewer labels than rows, or one can be no class.
    """
    label, scores = contract.output_of(Kind.LABEL), contract.output_of(Kind.SCORES)
    predicted = label or scores
    if predicted is None or not _has_one_class(outputs[predicted.name], is_label=label is not None):
        return None
    names = next((spec.names for spec in (label, scores) if spec and spec.names), ())
    wanted = _checked(truth.reshape(-1), rows)[: len(outputs[predicted.name])]
    numbers = _numbered(wanted, names) if _is_text(wanted) else wanted
    bins, classes = _measured(schema, outputs, Measure.PREDICTED)
    is_right = is_same(classes if label is None else outputs[label.name].reshape(-1), wanted, names)
    found = _confusion(np.array(bins.classes), numbers, classes, is_right)
    if scores is None:
        return found
    bins, values = _measured(schema, outputs, Measure.SCORE)
    is_there = ~np.isnan(values)
    places, size = np.searchsorted(bins.edges, values[is_there], side="right"), len(bins.edges) + 1
    scored, right = (np.bincount(some, minlength=size) for some in (places, places[is_right[is_there]]))
    return msgspec.structs.replace(found, scored=tuple(scored.tolist()), right=tuple(right.tolist()))


def is_same(classes: Array, truth: Array, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Whether each class is the truth's: both numbers, both texts, or one the number of the other."""
    if _is_text(classes) == _is_text(truth):
        return np.asarray(classes == truth)
    texts, numbers = (classes, truth) if _is_text(classes) else (truth, classes)
    return np.asarray(_numbered(texts, names) == numbers)


def encode_counts(counts: HoldOutCounts) -> bytes:
    """Canonical bytes (MessagePack): equal counts give equal bytes."""
    return msgspec.msgpack.encode(counts, order="deterministic")


def decode_counts(data: bytes) -> HoldOutCounts:
    """Parse what `encode_counts` made. Raises HostileInput for anything else."""
    try:
        counts = msgspec.msgpack.decode(data, type=HoldOutCounts)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not the counts of a hold-out: {error}", field="hold_out") from error
    if counts.format != FORMAT:
        raise HostileInput(f"hold-out counts of format {counts.format} are not known", field="format")
    return counts


def _has_one_class(tensor: Array, *, is_label: bool) -> bool:
    return tensor.size == len(tensor) if is_label else tensor.ndim == 2 and tensor.shape[1] > 1


def _checked(truth: Array, rows: int) -> Array:
    """The labels, one for each row: texts, or whole numbers. Raises InvalidInput."""
    field = f"holdout.npz.{LABEL}"
    if len(truth) != rows:
        raise InvalidInput(f"{field} has {len(truth)} labels for {rows} rows", field=field, hint=HINT)
    if _is_text(truth):
        return truth
    if truth.dtype.kind not in "biuf":
        raise InvalidInput(f"{field} is of {truth.dtype}: neither numbers nor names", field=field, hint=HINT)
    odd = np.flatnonzero(~np.isfinite(truth) | (truth != np.trunc(truth)))
    if len(odd):
        raise InvalidInput(f"{field}[{odd[0]}] is {truth[odd[0]]}, which is no class", field=field, hint=HINT)
    return truth


def _is_text(array: Array) -> bool:
    return array.dtype.kind in "OUS"


def _numbered(texts: Array, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """The texts as numbers of classes; -1 for one that is none."""
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(str(text), -1) for text in texts], np.int64)


def _measured(schema: Schema, outputs: Mapping[str, Array], measure: Measure) -> tuple[FeatureBins, Floats]:
    """The bins of that measure of an output, and its value in each row, just as profiles take it."""
    place = next(place for place, feature in enumerate(schema.features) if feature.measure is measure)
    reader = next(one for one in schema.output_readers if place in one.places)
    rows = reader.rows(as_contracted(outputs[reader.spec.name], reader.spec))
    column = reader.places.tolist().index(place)
    return schema.bins[place], reader.values(rows, 0.0)[:, column].astype(np.float64)


def _confusion(classes: Array, truth: Array, answers: Floats, is_right: npt.NDArray[np.bool_]) -> HoldOutCounts:
    """`classes` are the numbers of those that have slots, ascending."""
    size = len(classes)
    is_known = np.isin(truth, classes) & np.isin(answers, classes)
    rows, columns = (np.searchsorted(classes, numbers[is_known]) for numbers in (truth, answers))
    counts = np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)
    return HoldOutCounts(
        confusion=tuple(map(tuple, counts.tolist())),
        others_right=int((is_right & ~is_known).sum()),
        others_wrong=int((~is_right & ~is_known).sum()),
    )
