"""What a lowered operator works on: values by their ONNX names, each with how it lies in memory.

ONNX lays pictures out as rows × channels × height × width, TFLite as rows × height × width × channels. A value is
turned where an operator needs it, and stays so; most never turn back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.compilers.tflite.writer import FREE, Writer

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A tensor, and the shape that ONNX gives it.

    With `is_last` its channels lie last, and one axis is a height of 1 before the length. `flat_of` is the shape of
    what it was flattened from while the channels lay last: its columns are in another order than ONNX's.
    """

    tensor: int
    shape: Shape
    is_last: bool = False
    flat_of: Shape = ()


@dataclass
class Lowering:
    """A graph on its way from ONNX to TFLite; `shapes` and `dtypes` are of every value of it."""

    writer: Writer
    constants: Mapping[str, Array]
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, np.dtype[Any]]
    values: dict[str, Value] = field(default_factory=dict)

    def constant(self, name: str) -> Array | None:
        """The value of a name that is fixed, or None."""
        return self.constants.get(name)

    def needed(self, node: onnx.NodeProto, place: int) -> Array:
        """The constant that an operator takes at `place`; raises InvalidInput where it is computed."""
        value = self.constant(node.input[place])
        if value is None:
            raise refused(node, f"its input '{node.input[place]}' is computed, and would have to be a constant")
        return value

    def value(self, name: str) -> Value:
        """As it lies; a constant becomes a tensor."""
        if name not in self.values:
            array = self.constants[name]
            self.values[name] = Value(self.writer.constant(name, narrowed(array)), array.shape)
        return self.values[name]

    def plain(self, name: str) -> Value:
        """In ONNX's order of axes."""
        return self.to_plain(self.value(name), name)

    def last(self, name: str) -> Value:
        """With the channels last."""
        value = self.value(name)
        if value.is_last:
            return value
        turned = turned_shape(value.shape)
        perm = (0, 2, 3, 1) if len(value.shape) == 4 else (0, 2, 1)
        tensor = self._turn(value.tensor, value.shape, perm, turned, f"{name}/last")
        self.values[name] = Value(tensor, value.shape, is_last=True)
        return self.values[name]

    def to_plain(self, value: Value, name: str) -> Value:
        """The same value in ONNX's order."""
        if value.flat_of:
            pictures = self.reshape(value.tensor, turned_shape(value.flat_of), f"{name}/pictures")
            whole = self.to_plain(Value(pictures, value.flat_of, is_last=True), name)
            return Value(self.reshape(whole.tensor, value.shape, f"{name}/plain"), value.shape)
        if not value.is_last:
            return value
        is_long = len(value.shape) == 3
        tensor, lies = value.tensor, turned_shape(value.shape)
        if is_long:
            lies = (lies[0], *lies[2:])
            tensor = self.reshape(tensor, lies, f"{name}/long")
        perm = (0, 2, 1) if is_long else (0, 3, 1, 2)
        return Value(self._turn(tensor, lies, perm, value.shape, f"{name}/plain"), value.shape)

    def give(self, name: str, value: Value) -> None:
        """Say what a name stands for from now on."""
        self.values[name] = value

    def new(self, name: str, shape: Shape) -> int:
        """A tensor of the name's element type."""
        return self.writer.tensor(name, self.dtypes[name], shape)

    def reshape(self, tensor: int, shape: Shape, name: str) -> int:
        """The same numbers in another shape; free rows stay free."""
        if self.writer.shape_of(tensor) == tuple(shape):
            return tensor
        rows = FREE if self.writer.has_free_rows and shape else (shape[0] if shape else 1)
        wanted = np.array([rows, *shape[1:]] if shape else [], np.int32)
        made = self.writer.tensor(name, self.writer.dtype_of(tensor), shape)
        self.writer.operator("RESHAPE", [tensor, self.writer.constant(f"{name}/shape", wanted)], made)
        return made

    def transpose(self, tensor: int, perm: Shape, shape: Shape, name: str) -> int:
        """The same numbers with their axes in another order."""
        made = self.writer.tensor(name, self.writer.dtype_of(tensor), shape)
        axes = self.writer.constant(f"{name}/perm", np.array(perm, np.int32))
        self.writer.operator("TRANSPOSE", [tensor, axes], made)
        return made

    def _turn(self, tensor: int, shape: Shape, perm: Shape, wanted: Shape, name: str) -> int:
        """Transpose, and reshape to `wanted`; only the latter where no number moves."""
        moving = [axis for axis in perm if shape[axis] > 1]
        if moving == sorted(moving):
            return self.reshape(tensor, wanted, name)
        turned = tuple(shape[axis] for axis in perm)
        return self.reshape(self.transpose(tensor, perm, turned, f"{name}/turned"), wanted, name)


Lower = Callable[[Lowering, onnx.NodeProto], None]
"""What lowers one operator: reads its inputs, writes operators, gives its outputs."""


def turned_shape(shape: Shape) -> Shape:
    """The shape in memory of a picture, or of a signal (with a height of 1), whose channels lie last."""
    rows, channels, *lengths = shape
    return (rows, *([1] * (2 - len(lengths))), *lengths, channels)


def turned_axis(axis: int, rank: int) -> int:
    """Where an axis of ONNX's order lies when the channels lie last."""
    axis %= rank
    return {0: 0, 1: 3}.get(axis, axis - 1 if rank == 4 else 2)


def narrowed(array: Array) -> Array:
    """In an element type that the writer knows."""
    return array.astype(np.float32) if array.dtype in (np.float64, np.float16) else array


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute's value, or the default."""
    found = next((each for each in node.attribute if each.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def refused(node: onnx.NodeProto, why: str) -> InvalidInput:
    """That an operator cannot be had in TFLite as it stands."""
    return InvalidInput(
        f"{node.op_type} '{node.name or node.output[0]}' does not go to LiteRT: {why}",
        field=f"operator.{node.op_type}",
        hint="ONNX Runtime and OpenVINO targets take the model as it is.",
    )
