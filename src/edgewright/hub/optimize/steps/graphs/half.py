"""Half precision: float16 where operators have it, or weights stored in sixteen bits and computed with as float32."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, NoParams, StepContext
from edgewright.hub.optimize.steps.graphs import plain
from edgewright.hub.optimize.steps.graphs.calibration import Rows, find_ranges
from edgewright.hub.optimize.steps.graphs.quantising import prepared
from edgewright.hub.optimize.steps.graphs.sensitivity import answers

LARGEST = {TensorProto.FLOAT16: 65504.0, TensorProto.BFLOAT16: 3.3895313892515355e38}
HEADROOM = 2.0
"""Other rows than those looked at may reach higher values."""

ROWS = 64
"""To look for overflow on."""

MIN_WEIGHTS = 256
"""Smaller tensors are not worth the Cast that widens them."""

CASTS_DOWN = ("graph_input_cast", "_cast_to_fp16_node")
"""How ONNX Runtime's converter names the casts to float16 that it puts in."""


class Fp16Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`weights_only`: weights are stored as float16, and computed with as float32; for CPUs without half kernels."""

    weights_only: bool = False


class Fp16:
    """ONNX Runtime's float16 converter: inputs and outputs stay float32.

    So does what has no half form, and what overflows on the calibration rows, where there are some.
    """

    about: ClassVar = About(
        summary="numbers in float16: half the size, and faster where the hardware has it", precision=Precision.HALF
    )
    params: ClassVar[type[msgspec.Struct]] = Fp16Params

    def apply(self, model: Path, params: Fp16Params, context: StepContext) -> Outcome:
        """Convert; raises InvalidInput where the answers would not be finite."""
        source = _with_weights(model, "fp16")
        if params.weights_only:
            return _stored(source, TensorProto.FLOAT16, context, "fp16")
        wide = _overflowing(source, context)
        made = _converted(source, wide)
        _check_answers(source, made, context)
        note = "numbers in float16, inputs and outputs in float32"
        note += f"; kept float32 because they overflow: {', '.join(sorted(wide))}" if wide else ""
        return _written(made, source, context, "fp16", note)


class Bf16:
    """Weights stored as bfloat16 and widened on loading: ONNX Runtime's CPU kernels do not compute in it."""

    about: ClassVar = About(
        summary="weights stored as bfloat16, computed with as float32: half the size", precision=Precision.HALF
    )
    params: ClassVar[type[msgspec.Struct]] = NoParams

    def apply(self, model: Path, params: NoParams, context: StepContext) -> Outcome:
        """Round the weights to bfloat16."""
        return _stored(_with_weights(model, "bf16"), TensorProto.BFLOAT16, context, "bf16")


def _with_weights(path: Path, step: str) -> onnx.ModelProto:
    model = prepared(path, step)
    if not any(tensor.data_type == TensorProto.FLOAT for tensor in model.graph.initializer):
        raise InvalidInput("the model has no float32 weights: there is nothing to halve", field=f"recipe.{step}")
    return model


def _stored(model: onnx.ModelProto, kind: TensorProto.DataType, context: StepContext, step: str) -> Outcome:
    """Round weights to sixteen bits; a Cast makes float32 of them again, which runtimes do once, as they load."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    chosen = [t for t in made.graph.initializer if t.data_type == TensorProto.FLOAT and np.prod(t.dims) >= MIN_WEIGHTS]
    casts = []
    for tensor in chosen:
        casts.append(helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=TensorProto.FLOAT))
        halved = np.clip(numpy_helper.to_array(tensor), -LARGEST[kind], LARGEST[kind]).astype(dtype)
        tensor.CopyFrom(numpy_helper.from_array(halved, f"{tensor.name}_half"))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    _check_answers(model, made, context)
    name = "float16" if kind == TensorProto.FLOAT16 else "bfloat16"
    return _written(made, model, context, step, f"{len(chosen)} weights stored as {name}, computed with as float32")


def _overflowing(model: onnx.ModelProto, context: StepContext) -> set[str]:
    """The nodes that take or make numbers that float16 cannot hold, on the calibration rows."""
    if context.calibration is None:
        return set()
    source, path = context.folder / "source.onnx", context.folder / "ranges.json"
    onnx.save(model, source)
    found = find_ranges(source, Rows(model, context), Calibrator.MIN_MAX, (), path, most=ROWS)
    far = {name for name, (low, high) in found.items() if max(-low, high) * HEADROOM > LARGEST[TensorProto.FLOAT16]}
    return {node.name for node in model.graph.node if far & {*node.input, *node.output}}


def _converted(model: onnx.ModelProto, wide: set[str]) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    made: onnx.ModelProto = convert_float_to_float16(copy, keep_io_types=True, node_block_list=sorted(wide))
    _skip_round_trips(made.graph)
    plain.sort_nodes(made.graph)
    return made


def _skip_round_trips(graph: onnx.GraphProto) -> None:
    """Take float32 numbers from where they are made, not by way of float16, in which they overflow."""
    down = {node.output[0]: node for node in graph.node if node.op_type == "Cast" and _is_down(node)}
    outputs, inputs = ({value.name for value in side} for side in (graph.output, graph.input))
    for node in [each for each in graph.node if each.op_type == "Cast" and _casts_to(each) == TensorProto.FLOAT]:
        if (before := down.get(node.input[0])) is None:
            continue
        source, made = before.input[0], node.output[0]
        if made not in outputs:
            graph.node.remove(node)
            plain.rename(graph, {made: source})
        elif source not in inputs | outputs:
            graph.node.remove(node)
            plain.rename(graph, {source: made})
    used = {name for inner in plain.graphs(graph) for node in inner.node for name in node.input} | outputs
    for name, node in down.items():
        if name not in used:
            graph.node.remove(node)


def _is_down(node: onnx.NodeProto) -> bool:
    return _casts_to(node) == TensorProto.FLOAT16 and any(each in node.name for each in CASTS_DOWN)


def _casts_to(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "to"), 0)


def _check_answers(source: onnx.ModelProto, made: onnx.ModelProto, context: StepContext) -> None:
    feeds = Rows(source, context).first(1) if context.calibration is not None else []
    try:
        after = answers(made.SerializeToString(), feeds)
    except Exception as error:  # ONNX Runtime raises a class of its own for each status
        message = f"ONNX Runtime does not run the model in half precision: {str(error).strip().splitlines()[0][:300]}"
        raise InvalidInput(message, field="source") from error
    before = answers(source.SerializeToString(), feeds)
    if any(_is_finite(each) > _is_finite(other) for each, other in zip(before, after, strict=True)):
        raise InvalidInput("in half precision, answers are not finite", field="source")


def _is_finite(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _written(made: onnx.ModelProto, source: onnx.ModelProto, context: StepContext, step: str, note: str) -> Outcome:
    path = context.folder / f"{step}.onnx"
    plain.share_equals(made)
    plain.shorten_names(made, keep=frozenset(node.name for node in source.graph.node))
    plain.write(made, path)
    return Outcome(path=str(path), note=note)
