"""Measure the features of a batch: tensors in, a matrix of one row per row and one column per feature out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.errors import InvalidInput
from edgewright.contract.profile.features import Feature, Measure, column_count
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

MAX_SIDE = 64
"""Of an image as it is profiled."""

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class TensorReader:
    """Turns one tensor into rows of numbers, and such rows into the values of the features that lie on it."""

    def __init__(self, spec: TensorSpec, features: Sequence[Feature], columns: Sequence[int]) -> None:
        self.spec = spec
        self.columns = np.array(columns)
        """Where the values of this tensor's features stand among all features."""
        self.dtype = np.float32 if spec.kind is Kind.IMAGE else np.float64
        self._indexes = np.array([feature.column for feature in features])
        self._measures = [feature.measure for feature in features]
        self._width = column_count(spec)
        self._every = _every(spec)
        self._classes = {name: float(index) for index, name in enumerate(spec.names)}

    def rows(self, tensor: Array) -> Array:
        """`tensor` as (rows, values per row): text labels become class indexes (NaN if unknown).

        Raises InvalidInput if it does not fit the contract.
        """
        if tensor.ndim == 0:
            raise InvalidInput(f"'{self.spec.name}' has no batch axis", field=self.spec.name)
        if tensor.dtype.kind in "OUS":
            tensor = np.array([self._classes.get(str(value), np.nan) for value in tensor.ravel()])
        rows = tensor.reshape(len(tensor), -1) if tensor.ndim != 2 else tensor
        if self._width is not None and rows.shape[1] != self._width:
            message = f"'{self.spec.name}' has {rows.shape[1]} values a row; the contract says {self._width}"
            raise InvalidInput(message, field=self.spec.name)
        return rows if self._every == 1 else self._thinned(rows)

    def values(self, rows: Array, dark_level: float) -> Floats:
        """The values of this tensor's features for `rows`, in the features' order."""
        with np.errstate(all="ignore"):
            if self.spec.kind is Kind.IMAGE:
                return image_statistics(self.grey(rows), dark_level)
            if self._measures[0] is Measure.COLUMN:
                return np.asarray(rows[:, self._indexes], np.float64)
            return np.column_stack([_OF_ROW[measure](rows) for measure in self._measures])

    def grey(self, rows: Array) -> Array:
        """Image rows as (n, height, width); channels are averaged."""
        sides = (-(-self.spec.height // self._every), -(-self.spec.width // self._every))
        images, channels = self._images(rows, sides)
        return images if channels is None else np.asarray(images.mean(axis=channels))

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


def _every(spec: TensorSpec) -> int:
    """Which pixels of an image are looked at: so many that its longer side keeps at most MAX_SIDE."""
    return max(1, -(-max(spec.height, spec.width) // MAX_SIDE)) if spec.kind is Kind.IMAGE else 1


def readers(contract: Contract, features: Sequence[Feature], *, of_inputs: bool) -> list[TensorReader]:
    """A reader for every profiled tensor among the inputs, or among the outputs, of `contract`."""
    found = []
    for spec in contract.inputs if of_inputs else contract.outputs:
        columns = [c for c, f in enumerate(features) if f.tensor == spec.name and f.is_input is of_inputs]
        if columns:
            found.append(TensorReader(spec, [features[column] for column in columns], columns))
    return found


def row_count(tensors: Mapping[str, Array]) -> int:
    """How many rows the tensors have; raises InvalidInput if they disagree."""
    counts = {len(tensor) if tensor.ndim else 1 for tensor in tensors.values()}
    if len(counts) > 1:
        raise InvalidInput(f"the tensors of one batch have {sorted(counts)} rows", field="inputs")
    return counts.pop() if counts else 0


def as_contracted(tensor: Array, spec: TensorSpec) -> Array:
    """`tensor` in the contract's dtype, as the model will see it."""
    return tensor if spec.dtype is Dtype.STRING or tensor.dtype.kind in "OUS" else tensor.astype(str(spec.dtype))


def image_statistics(images: Array, dark_level: float) -> Floats:
    """Six statistics of each of `images` (n, height, width), in the order of IMAGE_MEASURES."""
    count, height, width = images.shape
    pixels = images.reshape(count, -1)
    brightness = pixels.mean(axis=1)
    light = pixels - pixels.min(axis=1, keepdims=True)
    sums = light @ _moments(height, width).astype(light.dtype)
    total = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    centroids = np.where(np.isnan(total[:, None]) & ~np.isnan(brightness[:, None]), 0.5, sums[:, 1:] / total[:, None])
    dark = np.where(np.isnan(brightness), np.nan, (pixels <= dark_level).mean(axis=1))
    statistics = [brightness, pixels.std(axis=1), _sharpness(images), dark, centroids[:, 0], centroids[:, 1]]
    return np.column_stack(statistics).astype(np.float64)


def _sharpness(images: Array) -> Array:
    if min(images.shape[1:]) < 3:
        return np.zeros(images.shape[0])
    middle = images[:, 1:-1, 1:-1]
    sides = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    return np.asarray(np.abs(sides - 4 * middle).mean(axis=(1, 2)))


def _moments(height: int, width: int) -> Floats:
    """(pixels, 3): one, x and y of each pixel, x and y between 0 and 1."""
    y, x = np.mgrid[0:height, 0:width]
    return np.column_stack([np.ones(height * width), x.ravel() / max(1, width - 1), y.ravel() / max(1, height - 1)])


def _predicted(rows: Array) -> Array:
    if rows.shape[1] == 1:
        return np.asarray(rows[:, 0], np.float64)
    return np.where(np.isnan(rows).any(axis=1), np.nan, rows.argmax(axis=1))


_OF_ROW: dict[Measure, Callable[[Array], Array]] = {
    Measure.SCORE: lambda rows: rows.max(axis=1),
    Measure.PREDICTED: _predicted,
}
