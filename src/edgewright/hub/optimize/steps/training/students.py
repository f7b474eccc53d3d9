"""Students: small networks that a teacher's knowledge goes into, as data; and how one becomes an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgewright.hub.optimize.steps.training.learning import Layout
from edgewright.hub.optimize.steps.training.torching.graph import Array

IR_VERSION = 10
CHANNELS_AT_ONCE = 4
LARGEST_SIDE = 8
"""Pictures are halved early until the longer side is near this."""


@dataclass(frozen=True)
class Block:
    """A convolution to `channels` with `kernel` and `stride`; separable: each channel alone, then a mix of 1 x 1."""

    channels: int
    kernel: int = 3
    stride: int = 1
    is_separable: bool = True


PICTURES = (
    Block(16, is_separable=False),
    Block(32, stride=2),
    Block(48, stride=2),
)
WINDOWS = (
    Block(16, kernel=7, stride=2, is_separable=False),
    Block(32, kernel=5, stride=2),
    Block(48, kernel=5, stride=2),
)
HIDDEN = (32, 16)
"""Widths of the layers for columns."""


@dataclass(frozen=True)
class Seen:
    """What a student gets: its input's name, ONNX element type and shape (None: any), and how a row lies.

    `mean` and `spread` are those of each column, or of each channel of windows.
    """

    name: str
    elem_type: int
    shape: tuple[int | None, ...]
    layout: Layout
    row: tuple[int, ...]
    mean: Array
    spread: Array


@dataclass
class _Drawing:
    """A graph that is being drawn; names are short, for they are part of the file."""

    chance: np.random.Generator
    taken: frozenset[str]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    count: int = 0

    def name(self) -> str:
        """The next name that nothing has."""
        self.count += 1
        name = f"s{self.count}"
        return self.name() if name in self.taken else name

    def constant(self, array: Array) -> str:
        """Keep `array` as an initializer."""
        name = self.name()
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output."""
        name = self.name()
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def weights(self, *shape: int) -> str:
        """Random ones for ReLU: He et al., 'Delving Deep into Rectifiers', section 2.2."""
        fan = int(np.prod(shape[1:]))
        return self.constant((self.chance.standard_normal(shape) * np.sqrt(2 / fan)).astype(np.float32))


def student(
    seen: Seen, *, width: float, classes: int, scores: str, seed: int, taken: frozenset[str]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes and weights of an untrained student for such rows, giving `classes` numbers under the name `scores`.

    `width` scales its channels, which are multiples of CHANNELS_AT_ONCE; names in `taken` are left to others.
    """
    drawing = _Drawing(np.random.default_rng(seed), taken | {seen.name, scores})
    x = seen.name if seen.elem_type == TensorProto.FLOAT else drawing.add("Cast", seen.name, to=TensorProto.FLOAT)
    if seen.layout is Layout.COLUMNS:
        x, channels = _columns(drawing, x, seen, width)
    else:
        x, channels = _convolved(drawing, x, seen, width)
    weights, bias = drawing.weights(classes, channels), drawing.constant(np.zeros(classes, np.float32))
    drawing.nodes.append(helper.make_node("Gemm", [x, weights, bias], [scores], transB=1))
    return drawing.nodes, drawing.tensors


def _columns(drawing: _Drawing, x: str, seen: Seen, width: float) -> tuple[str, int]:
    x = drawing.add("Sub", x, drawing.constant(seen.mean))
    x = drawing.add("Mul", x, drawing.constant(1 / seen.spread))
    channels = seen.row[0]
    for hidden in HIDDEN:
        out = scaled(hidden, width)
        bias = drawing.constant(np.zeros(out, np.float32))
        x = drawing.add("Relu", drawing.add("Gemm", x, drawing.weights(out, channels), bias, transB=1))
        channels = out
    return x, channels


def _convolved(drawing: _Drawing, x: str, seen: Seen, width: float) -> tuple[str, int]:
    row, axes = seen.row, len(seen.row) - 1
    if len(seen.shape) != len(row) + 1:
        x = drawing.add("Reshape", x, drawing.constant(np.array([-1, *row], np.int64)))
    if row[-1] < row[0]:  # channels come last
        x = drawing.add("Transpose", x, perm=[0, axes + 1, *range(1, axes + 1)])
        row = (row[-1], *row[:-1])
    if seen.layout is Layout.WINDOW:
        x = drawing.add("Mul", x, drawing.constant((1 / seen.spread).reshape(1, -1, 1)))
    channels = row[0]
    for block in blocks(seen.layout, max(row[1:])):
        out = scaled(block.channels, width)
        if block.is_separable:
            x = _unit(drawing, x, channels, channels, block.kernel, block.stride, axes, group=channels)
            x = _unit(drawing, x, channels, out, 1, 1, axes)
        else:
            x = _unit(drawing, x, channels, out, block.kernel, block.stride, axes)
        channels = out
    return drawing.add("Flatten", drawing.add("GlobalAveragePool", x), axis=1), channels


def _unit(
    drawing: _Drawing, x: str, channels: int, out: int, kernel: int, stride: int, axes: int, group: int = 1
) -> str:
    """Convolution, batch normalisation, ReLU."""
    weights = drawing.weights(out, channels // group, *[kernel] * axes)
    around = {"kernel_shape": [kernel] * axes, "strides": [stride] * axes, "pads": [kernel // 2] * 2 * axes}
    x = drawing.add("Conv", x, weights, group=group, **around)
    ones, zeros = np.ones(out, np.float32), np.zeros(out, np.float32)
    figures = [drawing.constant(each) for each in (ones, zeros, zeros, ones)]
    return drawing.add("Relu", drawing.add("BatchNormalization", x, *figures))


def blocks(layout: Layout, side: int) -> tuple[Block, ...]:
    """The blocks for a picture of that side, or a window of that length: more of them where there is more to see."""
    if layout is Layout.WINDOW:
        return WINDOWS
    first, *others = PICTURES
    halvings = max(0, int(np.ceil(np.log2(side / LARGEST_SIDE))))
    opening = Block(first.channels, stride=2 if halvings else 1, is_separable=False)
    return (opening, *[Block(first.channels, stride=2)] * max(0, halvings - 2), *others)


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, as a multiple of CHANNELS_AT_ONCE, at least one."""
    return max(1, round(channels * width / CHANNELS_AT_ONCE)) * CHANNELS_AT_ONCE


def spreads(array: Array, layout: Layout) -> Mapping[str, Array]:
    """Mean and standard deviation of each column, or of each channel of windows; 1 where nothing varies."""
    axes = {Layout.COLUMNS: (0,), Layout.WINDOW: (0, 2), Layout.IMAGE: None}[layout]
    if layout is Layout.WINDOW and array.shape[2] < array.shape[1]:
        axes = (0, 1)
    numbers = array.astype(np.float64)
    spread = np.asarray(numbers.std(axis=axes))
    return {
        "mean": np.asarray(numbers.mean(axis=axes), np.float32),
        "spread": np.where(spread > 0, spread, 1).astype(np.float32),
    }
