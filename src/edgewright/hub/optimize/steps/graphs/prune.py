"""Prunes: sets the smallest weights of each layer to zero, which makes a model smaller to send, not faster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgewright.hub.optimize.model import Outcome
from edgewright.hub.optimize.steps import About, StepContext

WEIGHT_INPUTS = {"MatMul": (0, 1), "Gemm": (0, 1), "Conv": (1,)}
MIN_WEIGHTS = 256
"""Smaller tensors are left alone: there is little to save, and every weight counts."""


class PruneParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ratio`: the share of each layer's weights to set to zero."""

    ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.2


class Prune:
    """Unstructured pruning by magnitude, layer by layer."""

    about: ClassVar = About(summary="the smallest weights of each layer become zero: smaller to send, not faster")
    params: ClassVar[type[msgspec.Struct]] = PruneParams

    def apply(self, model: Path, params: PruneParams, context: StepContext) -> Outcome:
        """Set the smallest weights to zero."""
        ratio = params.ratio
        proto = onnx.load(model)
        pruned = [tensor for tensor in _weights(proto.graph) if np.prod(tensor.dims) >= MIN_WEIGHTS]
        for tensor in pruned:
            tensor.CopyFrom(
                numpy_helper.from_array(smallest_to_zero(numpy_helper.to_array(tensor), ratio), tensor.name)
            )
        path = context.folder / "prune.onnx"
        path.write_bytes(proto.SerializeToString(deterministic=True))
        return Outcome(path=str(path), note=f"the smallest {ratio:.0%} of the weights of {len(pruned)} layers are zero")


def smallest_to_zero(weights: npt.NDArray[Any], ratio: float) -> npt.NDArray[Any]:
    """`weights` with the `ratio` of least magnitude set to +0.0, the earlier first among equals; no -0.0 is left."""
    flat: npt.NDArray[Any] = weights.reshape(-1) + weights.dtype.type(0)  # -0.0 + 0.0 is +0.0
    order = np.argsort(np.abs(flat), kind="stable")
    flat[order[: int(ratio * flat.size)]] = 0
    return flat.reshape(weights.shape)


def _weights(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """The floating point matrices that layers multiply by, in the file's order."""
    used = {
        node.input[place]
        for node in graph.node
        for place in WEIGHT_INPUTS.get(node.op_type, ())
        if place < len(node.input)
    }
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    return [t for t in graph.initializer if t.name in used and t.data_type in kinds and len(t.dims) >= 2]
