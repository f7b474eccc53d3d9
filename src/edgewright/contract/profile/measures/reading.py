"""Read tensors: rows of numbers, and of such rows the values of the features that lie on the tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import UnsetType

from edgewright.contract.errors import InvalidInput
from edgewright.contract.profile.features import Feature, FeatureKind, Measure, column_count
from edgewright.contract.profile.measures.pictures import image_statistics
from edgewright.contract.profile.measures.sounds import sound_statistics
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

MAX_SIDE = 64
"""Of an image as it is profiled."""

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Words = Mapping[int, tuple[str, ...]]
"""The known words of text features, by their place among all features."""


class TensorReader:
    """Reads one tensor. `places` say where its features stand among all; `low` and `high` are the contract's range.

    `held` is the element type in which rows are kept back until they are counted.
    """

    def __init__(self, spec: TensorSpec, features: Sequence[Feature], places: Sequence[int], words: Words) -> None:
        self.spec = spec
        self.places = np.array(places)
        self.kind = features[0].kind
        self.is_text = spec.dtype is Dtype.STRING
        self.has_columns = features[0].measure is Measure.COLUMN
        self.width = column_count(spec)
        self.held = np.dtype(np.float64 if self.is_text else spec.dtype.value)
        self.low, self.high = _range(spec, "low", self.width), _range(spec, "high", self.width)
        self._computed = np.float32 if spec.kind in (Kind.IMAGE, Kind.EMBEDDING, Kind.AUDIO) else np.float64
        self._columns = np.array([feature.column for feature in features])
        self._measures = [feature.measure for feature in features]
        self._every = _every(spec) if self._measures[0] is Measure.BRIGHTNESS else 1
        self._classes = {name: float(index) for index, name in enumerate(spec.names)}
        self._words = [{word: float(i) for i, word in enumerate(words.get(place, ()))} for place in places]

    @property
    def is_plain(self) -> bool:
        """Whether its rows are kept as they come: numbers, so many in each, and all of them looked at."""
        return self.width is not None and self._every == 1 and not self.is_text

    def rows(self, tensor: Array) -> Array:
        """`tensor` as (rows, values per row): words become their indexes (NaN if missing).

        Raises InvalidInput if it does not fit the contract.
        """
        if tensor.ndim == 0:
            raise InvalidInput(f"'{self.spec.name}' has no batch axis", field=self.spec.name)
        rows = tensor.reshape(len(tensor), -1) if tensor.ndim != 2 else tensor
        if self.width is not None and rows.shape[1] != self.width:
            message = f"'{self.spec.name}' has {rows.shape[1]} values a row; the contract says {self.width}"
            raise InvalidInput(message, field=self.spec.name)
        if rows.dtype.kind in "OUS":
            rows = self._coded(rows)
        return rows if self._every == 1 else self._thinned(rows)

    @property
    def is_narrow(self) -> bool:
        """Whether float32 holds all values of its features exactly."""
        is_measured = self._measures[0] in (Measure.BRIGHTNESS, Measure.RMS, Measure.EMBEDDING)
        return self.kind is FeatureKind.EMBEDDING or (not is_measured and np.can_cast(self.held, np.float32))

    def values(self, rows: Array, dark_level: float) -> Array:
        """The values of this tensor's features for `rows`, in the features' order."""
        with np.errstate(all="ignore"):
            if self.has_columns:
                return rows if rows.shape[1] == len(self._columns) else rows[:, self._columns]
            rows = rows.astype(self._computed, copy=False)
            if self._measures[0] is Measure.BRIGHTNESS:
                return image_statistics(self.grey(rows), dark_level)
            if self._measures[0] is Measure.RMS:
                return sound_statistics(rows)
            return np.column_stack([_OF_ROW[measure](rows) for measure in self._measures])

    def grey(self, rows: Array) -> Array:
        """Image rows as (n, height, width); channels are averaged."""
        sides = (-(-self.spec.height // self._every), -(-self.spec.width // self._every))
        images, channels = self._images(rows, sides)
        return images if channels is None else np.asarray(images.mean(axis=channels))

    def _coded(self, rows: Array) -> Array:
        """Words as numbers: by the contract's class names for an output, else by the words that training has shown."""
        if not self.has_columns:
            return np.array([[self._classes.get(word_of(value), np.nan) for value in row] for row in rows.tolist()])
        coded = np.full((len(rows), rows.shape[1]), np.nan)
        for words, column in zip(self._words, self._columns.tolist(), strict=True):
            other = float(len(words))
            found = [words.get(word, other) if word else np.nan for word in map(word_of, rows[:, column].tolist())]
            coded[:, column] = found
        return coded

    def _thinned(self, rows: Array) -> Array:
        """Each `_every`-th pixel of both sides: a camera's picture would cost a hundred times what is learnt of it."""
        images, channels = self._images(rows, (self.spec.height, self.spec.width))
        kept = images[..., :: self._every, :: self._every]
        if channels == 3:
            kept = images[:, :: self._every, :: self._every]
        return np.ascontiguousarray(kept).reshape(len(rows), -1)

    def _images(self, rows: Array, sides: tuple[int, int]) -> tuple[Array, int | None]:
        """Rows as images of that height and width, and the axis of their channels (None for grey ones)."""
        height, width = sides
        channels = rows.shape[1] // max(1, height * width)
        if height * width * channels != rows.shape[1] or channels == 0:
            message = f"'{self.spec.name}' has {rows.shape[1]} values a row, which is no {height} x {width} image"
            raise InvalidInput(message, field=self.spec.name)
        if channels == 1:
            return rows.reshape(-1, height, width), None
        if self.spec.shape[-1] == channels and self.spec.shape[-1] != self.spec.width:
            return rows.reshape(-1, height, width, channels), 3
        return rows.reshape(-1, channels, height, width), 1


def readers(
    contract: Contract, features: Sequence[Feature], words: Words, *, of_inputs: bool
) -> tuple[TensorReader, ...]:
    """A reader for every profiled tensor among the inputs, or among the outputs, of `contract`."""
    found = []
    for spec in contract.inputs if of_inputs else contract.outputs:
        places = [place for place, feature in enumerate(features) if _lies_on(feature, spec, of_inputs)]
        if places:
            found.append(TensorReader(spec, [features[place] for place in places], places, words))
    return tuple(found)


def row_count(tensors: Mapping[str, Array]) -> int:
    """How many rows the tensors have; raises InvalidInput if they disagree."""
    counts = {len(tensor) if tensor.ndim else 1 for tensor in tensors.values()}
    if len(counts) > 1:
        raise InvalidInput(f"the tensors of one batch have {sorted(counts)} rows", field="inputs")
    return counts.pop() if counts else 0


def as_contracted(tensor: Array, spec: TensorSpec) -> Array:
    """`tensor` in the contract's dtype, as the model will see it."""
    return tensor if spec.dtype is Dtype.STRING or tensor.dtype.kind in "OUS" else tensor.astype(str(spec.dtype))


def word_of(value: object) -> str:
    """A word as it is compared; "" for what is missing."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None or value != value else str(value)


def _lies_on(feature: Feature, spec: TensorSpec, of_inputs: bool) -> bool:
    is_its = feature.tensor == spec.name and feature.is_input is of_inputs
    return is_its and feature.kind is not FeatureKind.QUALITY


def _range(spec: TensorSpec, end: str, width: int | None) -> Floats | None:
    """One end of the contract's range: one number, or one for each column; None where it says nothing of it."""
    given: tuple[float | None, ...] | UnsetType = getattr(spec, end)
    if isinstance(given, UnsetType) or not given:
        return None
    if len(given) not in (1, width):
        message = f"'{spec.name}.{end}' has {len(given)} numbers: give one, or one for each of {width} columns"
        raise InvalidInput(message, field=f"contract.inputs.{spec.name}.{end}")
    open_end = -np.inf if end == "low" else np.inf
    return np.array([open_end if value is None else value for value in given], np.float64)


def _every(spec: TensorSpec) -> int:
    """Which pixels of an image are looked at: so many that its longer side keeps at most MAX_SIDE."""
    return max(1, -(-max(spec.height, spec.width) // MAX_SIDE))


def _predicted(rows: Array) -> Array:
    if rows.shape[1] == 1:
        return np.asarray(rows[:, 0], np.float64)
    return np.where(np.isnan(rows).any(axis=1), np.nan, rows.argmax(axis=1))


_OF_ROW: dict[Measure, Callable[[Array], Array]] = {
    Measure.SCORE: lambda rows: rows.max(axis=1),
    Measure.PREDICTED: _predicted,
}
