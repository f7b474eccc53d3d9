"""What quantising steps share: a model made ready, layers that people name, and what ONNX Runtime leaves made plain."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import onnxruntime

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.graphs import layers, plain

TYPES = {
    "tensor(bool)": onnx.TensorProto.BOOL,
    "tensor(double)": onnx.TensorProto.DOUBLE,
    "tensor(float)": onnx.TensorProto.FLOAT,
    "tensor(int32)": onnx.TensorProto.INT32,
    "tensor(int64)": onnx.TensorProto.INT64,
}
"""Of numbers, as ONNX Runtime calls them."""

LEAST_OPSET = 13
"""From here on, a scale for each channel can be written."""


def prepared(path: Path, step: str) -> onnx.ModelProto:
    """The model as quantisers want it: constants as weights, every node named, all shapes told, opset 13 or later."""
    model = plain.read(path)
    layers.refuse_quantised(model, step)
    layers.refuse_infinite(layers.weights(model), step)
    opset = next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), LEAST_OPSET)
    if opset < LEAST_OPSET:
        model = _converted(model, opset)
    layers.name_nodes(model.graph)
    return _typed(onnx.shape_inference.infer_shapes(model))


def refuse_weightless(model: onnx.ModelProto, step: str) -> None:
    """Raise InvalidInput for a model of which no layer multiplies by weights."""
    if not layers.layers(model.graph, ("Conv", "Gemm", "MatMul")):
        raise InvalidInput("the model multiplies by no weights: nothing to quantise", field=f"recipe.{step}")


def named(text: str, known: Sequence[str], step: str) -> tuple[str, ...]:
    """The layers that `text` names, with commas between; raises InvalidInput for one that the model does not have."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            hint = f"Its layers: {', '.join(known[:20])}{' …' if len(known) > 20 else ''}."
            raise InvalidInput(f"the model has no layer '{name[:80]}'", field=f"recipe.{step}.keep", hint=hint)
    return names


def told(kept: Sequence[str], sensitive: Sequence[str]) -> str:
    """The end of a note: which layers stay float, and why."""
    by_name = f"; {', '.join(kept)} kept float" if kept else ""
    by_measure = f"; kept float because they hurt most: {', '.join(sensitive)}" if sensitive else ""
    return by_name + by_measure


def settle(path: Path, names: Sequence[str], ir_version: int) -> None:
    """Drop what decides no answer, but for the names of layers."""
    model = onnx.load(path)
    model.ir_version = max(ir_version, plain.LEAST_IR_VERSION)
    plain.sort_nodes(model.graph)  # ONNX Runtime's quantisers do not see what branches take from around them
    plain.share_equals(model)
    plain.shorten_names(model, keep=frozenset(names))
    plain.write(model, path)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """The quantiser advises on standard output, and logs that it would like a preparation that it has had."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the types that ONNX's own inference does not find, behind operators of ai.onnx.ml: ONNX Runtime
    knows them, and its quantisers ask for them.
    """
    graph = model.graph
    known = {value.name for value in (*graph.input, *graph.output, *graph.value_info)}
    unknown = [name for node in graph.node for name in node.output if name and name not in known]
    if not unknown:
        return model
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in unknown)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # ONNX Runtime raises a class of its own for each status; the step itself will say what is wrong
        return model
    graph.value_info.extend(
        onnx.helper.make_tensor_value_info(found.name, TYPES[found.type], None)  # [] may be any shape
        for found in session.get_outputs()
        if found.name in unknown and found.type in TYPES
    )
    return model


def _converted(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    try:
        return onnx.version_converter.convert_version(model, LEAST_OPSET)
    except Exception as error:  # the converter raises RuntimeError, ConvertError and others
        message = f"the model is of opset {opset}, and cannot be lifted to {LEAST_OPSET}: {str(error)[:200]}"
        raise InvalidInput(message, field="source", hint="Export it again with a later opset.") from error
