"""What ONNX operators without weights do, in torch: attributes are keywords, as the ONNX specification names them.

Each function takes tensors in the operator's order. Arguments that the specification passes as tensors but that decide
shapes (`axes`, `starts`, `pads`) come as tuples of integers. A keyword that is not here is an attribute that no edge
network needs, and is refused by name; a ValueError names a value that is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

Ints = tuple[int, ...]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Operator:
    """A function, and which of its inputs are integers that must be known beforehand, by the keyword they go to."""

    function: Function
    known: tuple[tuple[int, str], ...] = ()


def hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return torch.clamp(alpha * x + beta, 0, 1)


def leaky_relu(x: Any, *, alpha: float = 0.01) -> Any:
    return functional.leaky_relu(x, alpha)


def elu(x: Any, *, alpha: float = 1.0) -> Any:
    return functional.elu(x, alpha)


def gelu(x: Any, *, approximate: str = "none") -> Any:
    return functional.gelu(x, approximate=approximate)


def prelu(x: Any, slope: Any) -> Any:
    return torch.where(x < 0, x * slope, x)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    return torch.clamp(x, low, high)


def softmax(x: Any, *, axis: int = -1) -> Any:
    return torch.softmax(x, axis)


def log_softmax(x: Any, *, axis: int = -1) -> Any:
    return torch.log_softmax(x, axis)


def concat(*tensors: Any, axis: int) -> Any:
    return torch.cat(tensors, axis)


def flatten(x: Any, *, axis: int = 1) -> Any:
    if axis != 1:
        raise ValueError("axis: only 1, which keeps the rows, is known")
    return torch.flatten(x, 1)


def reshape(x: Any, *, shape: Ints) -> Any:
    return torch.reshape(x, [x.shape[place] if length == 0 else length for place, length in enumerate(shape)])


def transpose(x: Any, *, perm: Ints | None = None) -> Any:
    return x.permute(*(perm or reversed(range(x.dim()))))


def squeeze(x: Any, *, axes: Ints) -> Any:
    return torch.squeeze(x, tuple(axes))


def unsqueeze(x: Any, *, axes: Ints) -> Any:
    for axis in sorted(axes):
        x = torch.unsqueeze(x, axis)
    return x


def cut(x: Any, *, starts: Ints, ends: Ints, axes: Ints | None = None, steps: Ints | None = None) -> Any:
    """Slice."""
    for start, end, axis, step in zip(
        starts, ends, axes or range(len(starts)), steps or [1] * len(starts), strict=True
    ):
        if step < 1:
            raise ValueError("steps: only forward ones are known")
        index = [slice(None)] * x.dim()
        index[axis] = slice(start, end, step)
        x = x[tuple(index)]
    return x


def split(x: Any, *, axis: int = 0, split: Ints | None = None, num_outputs: int = 0) -> Any:
    if split:
        return torch.split(x, list(split), axis)
    return torch.split(x, -(-x.shape[axis] // num_outputs), axis)


def gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    axis %= x.dim()
    flat = torch.index_select(x, axis, indices.reshape(-1))
    return flat.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def pad(x: Any, value: Any = None, *, pads: Ints, mode: str = "constant") -> Any:
    if mode != "constant":
        raise ValueError(f"mode: only 'constant' is known, not '{mode}'")
    return functional.pad(x, _torch_pads(pads), value=0.0 if value is None else float(value))


def max_pool(
    x: Any,
    *,
    kernel_shape: Ints,
    strides: Ints | None = None,
    pads: Ints | None = None,
    dilations: Ints | None = None,
    ceil_mode: int = 0,
    storage_order: int = 0,
    auto_pad: str = "NOTSET",
) -> Any:
    pool = {1: functional.max_pool1d, 2: functional.max_pool2d}[len(kernel_shape)]
    _refuse_automatic(auto_pad)
    x = functional.pad(x, _torch_pads(pads), value=float("-inf")) if any(pads or ()) else x
    return pool(x, kernel_shape, strides or 1, 0, dilations or 1, bool(ceil_mode))


def average_pool(
    x: Any,
    *,
    kernel_shape: Ints,
    strides: Ints | None = None,
    pads: Ints | None = None,
    count_include_pad: int = 0,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
) -> Any:
    _refuse_automatic(auto_pad)
    pool = {1: functional.avg_pool1d, 2: functional.avg_pool2d}[len(kernel_shape)]
    even = tuple(pads[: len(kernel_shape)]) if pads else (0,) * len(kernel_shape)
    if pads and tuple(pads[len(kernel_shape) :]) != even:
        raise ValueError("pads: only those that are equal on both sides are known")
    return pool(x, kernel_shape, strides or 1, even, bool(ceil_mode), bool(count_include_pad))


def convolution(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    kernel_shape: Ints | None = None,
    strides: Ints | None = None,
    pads: Ints | None = None,
    dilations: Ints | None = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Any:
    """Conv with weights that something computes, such as their rounding."""
    _refuse_automatic(auto_pad)
    convolve = {1: functional.conv1d, 2: functional.conv2d}[x.dim() - 2]
    x = functional.pad(x, _torch_pads(pads)) if any(pads or ()) else x
    return convolve(x, weight, bias, strides or 1, 0, dilations or 1, group)


def gemm(
    x: Any,
    y: Any,
    z: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Any:
    product = alpha * ((x.t() if transA else x) @ (y.t() if transB else y))
    return product if z is None else product + beta * z


def rounded(x: Any, scale: Any, zero: Any, *, axis: int = 1, low: int, high: int, saturate: int = 1) -> Any:
    """What QuantizeLinear and DequantizeLinear leave of `x`; gradients pass straight through what is in range.

    Jacob et al., 'Quantization and Training of Neural Networks', section 3.
    """
    if scale.numel() == 1:
        return torch.fake_quantize_per_tensor_affine(x, scale.reshape(()), zero.reshape(()), low, high)
    return torch.fake_quantize_per_channel_affine(x, scale, zero, axis % x.dim(), low, high)


def global_average(x: Any) -> Any:
    return torch.mean(x, tuple(range(2, x.dim())), keepdim=True)


def global_max(x: Any) -> Any:
    return torch.amax(x, tuple(range(2, x.dim())), keepdim=True)


def reduce_mean(x: Any, *, axes: Ints | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    return torch.mean(x, tuple(axes or range(x.dim())), keepdim=bool(keepdims))


def reduce_sum(x: Any, *, axes: Ints | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    return torch.sum(x, tuple(axes or range(x.dim())), keepdim=bool(keepdims))


def reduce_max(x: Any, *, axes: Ints | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    return torch.amax(x, tuple(axes or range(x.dim())), keepdim=bool(keepdims))


def cast(x: Any, *, to: int, saturate: int = 1) -> Any:
    return x.to(_DTYPES[to])


def same(x: Any, *ignored: Any, **ignored_too: Any) -> Any:
    """Identity, Dropout when it is not training, and DequantizeLinear: numbers stay real, `rounded` made them so."""
    return x


def _refuse_automatic(auto_pad: str) -> None:
    if auto_pad not in ("NOTSET", "VALID"):
        raise ValueError(f"auto_pad: '{auto_pad}' is not known")


def _torch_pads(pads: Ints | None) -> list[int]:
    """All beginnings, then all ends, first axis first; torch wants pairs, last axis first."""
    half = len(pads or ()) // 2
    return [pads[side] for axis in reversed(range(half)) for side in (axis, axis + half)] if pads else []


_DTYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}
_AXES = ((1, "axes"),)

OPERATORS: dict[str, Operator] = {
    "Abs": Operator(torch.abs),
    "Add": Operator(torch.add),
    "AveragePool": Operator(average_pool),
    "Cast": Operator(cast),
    "Clip": Operator(clip),
    "Concat": Operator(concat),
    "Conv": Operator(convolution),
    "DequantizeLinear": Operator(same),
    "Div": Operator(torch.div),
    "Dropout": Operator(same),
    "Elu": Operator(elu),
    "Erf": Operator(torch.erf),
    "Exp": Operator(torch.exp),
    "Flatten": Operator(flatten),
    "Gather": Operator(gather),
    "Gelu": Operator(gelu),
    "Gemm": Operator(gemm),
    "GlobalAveragePool": Operator(global_average),
    "GlobalMaxPool": Operator(global_max),
    "HardSigmoid": Operator(hard_sigmoid),
    "HardSwish": Operator(functional.hardswish),
    "Identity": Operator(same),
    "LeakyRelu": Operator(leaky_relu),
    "Log": Operator(torch.log),
    "LogSoftmax": Operator(log_softmax),
    "MatMul": Operator(torch.matmul),
    "Max": Operator(torch.maximum),
    "MaxPool": Operator(max_pool),
    "Min": Operator(torch.minimum),
    "Mul": Operator(torch.mul),
    "Neg": Operator(torch.neg),
    "PRelu": Operator(prelu),
    "Pad": Operator(pad, known=((1, "pads"),)),
    "Pow": Operator(torch.pow),
    "Reciprocal": Operator(torch.reciprocal),
    "QuantizeLinear": Operator(rounded),
    "ReduceMax": Operator(reduce_max, known=_AXES),
    "ReduceMean": Operator(reduce_mean, known=_AXES),
    "ReduceSum": Operator(reduce_sum, known=_AXES),
    "Relu": Operator(functional.relu),
    "Reshape": Operator(reshape, known=((1, "shape"),)),
    "Sigmoid": Operator(torch.sigmoid),
    "Slice": Operator(cut, known=((1, "starts"), (2, "ends"), (3, "axes"), (4, "steps"))),
    "Softmax": Operator(softmax),
    "Softplus": Operator(functional.softplus),
    "Split": Operator(split, known=((1, "split"),)),
    "Sqrt": Operator(torch.sqrt),
    "Squeeze": Operator(squeeze, known=_AXES),
    "Sub": Operator(torch.sub),
    "Tanh": Operator(torch.tanh),
    "Transpose": Operator(transpose),
    "Unsqueeze": Operator(unsqueeze, known=_AXES),
}
