"""Trains in eight bits: quantises as static int8 does, and lets the weights learn to live with their rounding."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Integer
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext


class QatParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signedness and granularity as of static int8; `copies` are changed copies of each row to learn from."""

    weights: Integer = Integer.S8
    activations: Integer = Integer.U8
    per_channel: bool = True
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-3
    copies: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class Qat:
    """Quantisation-aware fine-tuning of the very graph that is shipped: scales stay, weights and biases learn.

    Rounding is part of the way forward, and gradients pass straight through it.
    """

    about: ClassVar = About(
        summary="eight bits as static int8, and the weights learn to live with their rounding",
        modules=("torch",),
        extra="torch",
        is_training=True,
        timeout_s=600.0,
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = QatParams

    def apply(self, model: Path, params: QatParams, context: StepContext) -> Outcome:
        """Quantise the model, and train the result on the context's rows, after what the source says."""
        import onnx
        import torch

        from edgewright.hub.optimize.steps.graphs.static_int8 import StaticInt8, StaticInt8Params
        from edgewright.hub.optimize.steps.training import torching
        from edgewright.hub.optimize.steps.training.learning import Plan, learn
        from edgewright.hub.optimize.steps.training.lecture import lecture

        if context.calibration is None:
            raise InvalidInput("training in eight bits needs rows to calibrate on", field="calibration")
        how = StaticInt8Params(weights=params.weights, activations=params.activations, per_channel=params.per_channel)
        seed = context.seed + params.seed
        with tempfile.TemporaryDirectory(dir=context.folder) as folder:
            cleaned = torching.save(torching.read(model, context).model, Path(folder) / "cleaned.onnx")
            rounded = StaticInt8().apply(cleaned, how, replace(context, folder=Path(folder)))
            graph = torching.of(onnx.load(rounded.path))
        held = lecture(graph, model, context, copies=params.copies, seed=seed)
        loss = learn(held.network.module, held.lessons, Plan(params.epochs, params.learning_rate, seed))
        path = torching.save(torching.write_back(graph, held.network), context.folder / "qat.onnx")
        note = (
            f"{rounded.note}; then {params.epochs} epochs in eight bits on {len(held.lessons):,} rows, loss {loss:.3f}"
        )
        tools = {"torch": str(torch.__version__)}
        return Outcome(path=str(path), note=note, tools=tools, quantisation=rounded.quantisation)
