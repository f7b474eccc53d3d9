"""Finds the ranges of numbers inside a model on calibration rows: prepared, checked, as many at once as it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator, save_tensors_data

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator
from edgewright.hub.optimize.steps import Arrays, StepContext
from edgewright.hub.registry import check_rows

FIELD = "calibration"
ROWS_AT_ONCE = 64
BYTES_AT_ONCE = 4 * 1024**2
"""Of inputs; what a network makes of them inside may take fifty times as much."""

METHODS = {
    Calibrator.MIN_MAX: CalibrationMethod.MinMax,
    Calibrator.ENTROPY: CalibrationMethod.Entropy,
    Calibrator.PERCENTILE: CalibrationMethod.Percentile,
}
OPTIONS = {
    Calibrator.MIN_MAX: {},
    Calibrator.ENTROPY: {"num_bins": 512, "num_quantized_bins": 256},
    Calibrator.PERCENTILE: {"num_bins": 2048, "symmetric": False},
}
"""By default, ONNX Runtime has as many bins as steps for entropy, so that there is nothing to choose; and percentiles
on both sides of zero, which wastes half the steps on what follows a Relu."""


def find_ranges(
    model: Path,
    rows: Rows,
    calibrator: Calibrator,
    op_types: Sequence[str],
    path: Path,
    *,
    percentile: float = 99.99,
    most: int | None = None,
) -> dict[str, tuple[float, float]]:
    """The range of every input and output of nodes of these types, of all where there is none, by the tensor's name.

    They are written to `path` too, where ONNX Runtime's quantisers find them. `most` bounds the rows.
    """
    options = OPTIONS[calibrator] | {"percentile": percentile}
    augmented = str(path.with_name("augmented.onnx"))
    finder = create_calibrator(str(model), list(op_types), augmented, METHODS[calibrator], extra_options=options)
    try:
        for feed in rows if most is None else rows.first(most):
            finder.collect_data(_Feeds(iter([feed])))  # at once, it would keep every number inside the model in memory
        found = finder.compute_data()
    except ValueError as error:  # numpy's, of numbers such as the -3e38 of a mask
        message = f"the calibrator {calibrator} cannot bin the numbers inside the model: {error}"
        raise InvalidInput(
            message, field="recipe.static-int8.calibrator", hint=f"Take {Calibrator.MIN_MAX}."
        ) from error
    save_tensors_data(found, path)
    return {name: (float(np.min(low)), float(np.max(high))) for name, (low, high) in _lowest_and_highest(found)}


def _lowest_and_highest(found: TensorsData) -> list[tuple[str, tuple[Any, Any]]]:
    return [(name, data.range_value) for name, data in found.items()]


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Iterator[Arrays]) -> None:
        self._feeds = feeds

    def get_next(self) -> Arrays | None:
        return next(self._feeds, None)


class Rows:
    """The context's calibration rows as a model takes them, some at a time. `count` says how many there are.

    Raises InvalidInput, which names the array, where there are no rows or they are not what the model takes.
    """

    def __init__(self, model: onnx.ModelProto, context: StepContext) -> None:
        weights = {tensor.name for tensor in model.graph.initializer}
        self._takes = [value for value in model.graph.input if value.name not in weights]
        fixed = max((_fixed_rows(value) for value in self._takes), default=0)
        self._prepare = context.prepare
        self._arrays = _read(context)
        rows = len(next(iter(self._arrays.values())))
        self.count = rows - rows % fixed if fixed else rows
        if not self.count:
            message = f"there are {rows} rows to calibrate on, and the model takes {fixed or 1} at once"
            raise InvalidInput(message, field=FIELD, hint="Register the version with a snapshot that has more rows.")
        self._rows_at_once = fixed or self._fit()
        self._check(next(iter(self)))

    def __iter__(self) -> Iterator[Arrays]:
        for at in range(0, self.count, self._rows_at_once):
            yield self._at_once(slice(at, min(at + self._rows_at_once, self.count)))

    def first(self, rows: int) -> list[Arrays]:
        """What the model takes for at least so many rows, or all there are."""
        parts = -(-min(rows, self.count) // self._rows_at_once)
        return [feed for feed, _ in zip(self, range(parts), strict=False)]

    def _fit(self) -> int:
        row_bytes = sum(array.nbytes for array in self._at_once(slice(0, 1)).values())
        return max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // max(row_bytes, 1)))

    def _at_once(self, chosen: slice) -> Arrays:
        made = self._prepare({name: array[chosen] for name, array in self._arrays.items()})
        missing = [value.name for value in self._takes if value.name not in made]
        if missing:
            have = ", ".join(sorted(made)) or "none"
            message = f"the rows to calibrate on have no array '{missing[0]}', an input of the model; they have {have}"
            raise InvalidInput(message, field=f"{FIELD}.{missing[0]}")
        return {value.name: made[value.name] for value in self._takes}

    def _check(self, made: Arrays) -> None:
        for value in self._takes:
            array, tensor = made[value.name], value.type.tensor_type
            wanted = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
            shape = [axis.dim_value or None for axis in tensor.shape.dim]
            fits = len(shape) == array.ndim and all(
                want in (None, have) for want, have in zip(shape, array.shape, strict=True)
            )
            if (array.dtype != wanted and wanted.kind != "O") or not fits:
                has = f"{array.dtype} of shape {list(array.shape)}"
                message = f"{FIELD}.{value.name} is {has}, the model takes {wanted} of shape {shape}"
                raise InvalidInput(message, field=f"{FIELD}.{value.name}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                message = f"{FIELD}.{value.name} holds numbers that are not finite"
                raise InvalidInput(message, field=f"{FIELD}.{value.name}", hint="Fill in or leave out such rows.")


def _read(context: StepContext) -> Arrays:
    if context.calibration is None:
        hint = "Register the version with a snapshot: its train.npz calibrates int8."
        raise InvalidInput("there are no rows to calibrate on", field=FIELD, hint=hint)
    with np.load(str(context.calibration), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    check_rows(arrays, context.contract.inputs, FIELD)
    if not arrays:
        raise InvalidInput("the file of rows to calibrate on has no array", field=FIELD)
    return arrays


def _fixed_rows(value: onnx.ValueInfoProto) -> int:
    """The length of the first axis; 0 if it is free."""
    axes = value.type.tensor_type.shape.dim
    return int(axes[0].dim_value) if axes else 0
