"""Prunes: sets the smallest weights to zero, which makes a model smaller to send, not faster."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext
from edgewright.hub.optimize.steps.graphs import layers, plain

MIN_WEIGHTS = 256
"""Smaller tensors are left alone: there is little to save, and every weight counts."""

Weights = npt.NDArray[Any]


class Scope(StrEnum):
    """Among which weights the smallest are sought."""

    LAYER = "layer"  # among those of the same tensor: each loses the same share
    MODEL = "model"  # among all: layers with many small weights lose more


class PruneParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ratio`: the share of the weights to set to zero."""

    ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.2
    scope: Scope = Scope.LAYER


class Prune:
    """Unstructured pruning by magnitude."""

    about: ClassVar = About(
        summary="the smallest weights become zero: smaller to send, not faster", precision=Precision.INT8
    )
    params: ClassVar[type[msgspec.Struct]] = PruneParams

    def apply(self, model: Path, params: PruneParams, context: StepContext) -> Outcome:
        """Set the smallest weights to zero."""
        proto = plain.read(model)
        layers.refuse_quantised(proto, "prune")
        tensors = [tensor for tensor in layers.weights(proto) if np.prod(tensor.dims) >= MIN_WEIGHTS]
        layers.refuse_infinite(tensors, "prune")
        before = [numpy_helper.to_array(tensor) for tensor in tensors]
        for tensor, weights in zip(tensors, pruned(before, params.ratio, params.scope), strict=True):
            tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
        path = context.folder / "prune.onnx"
        plain.write(proto, path)
        where = "of the weights of" if params.scope is Scope.LAYER else "of all weights of"
        return Outcome(path=str(path), note=f"the smallest {params.ratio:.0%} {where} {len(tensors)} layers are zero")


def pruned(tensors: Sequence[Weights], ratio: float, scope: Scope) -> list[Weights]:
    """The tensors with their smallest weights set to zero."""
    if scope is Scope.LAYER or not tensors:
        return [smallest_to_zero(weights, ratio) for weights in tensors]
    together = smallest_to_zero(np.concatenate([weights.reshape(-1) for weights in tensors]), ratio)
    ends = np.cumsum([weights.size for weights in tensors])[:-1]
    parts = zip(np.split(together, ends), tensors, strict=True)
    return [part.astype(weights.dtype).reshape(weights.shape) for part, weights in parts]


def smallest_to_zero(weights: Weights, ratio: float) -> Weights:
    """`weights` with the `ratio` of least magnitude set to +0.0, the earlier first among equals; no -0.0 is left."""
    flat: Weights = weights.reshape(-1) + weights.dtype.type(0)  # -0.0 + 0.0 is +0.0
    order = np.argsort(np.abs(flat), kind="stable")
    flat[order[: int(ratio * flat.size)]] = 0
    return flat.reshape(weights.shape)
