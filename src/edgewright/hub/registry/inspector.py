"""The child that parses an uploaded model under limits: `python -m edgewright.hub.registry.inspector PATH`.

It prints one line: `inspect.ANSWER` and an `inspect.Answer` in JSON. Run by `inspect.inspect_source`, never imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from edgewright.contract.api import Precision
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.registry.inspect import ANSWER, EXPORT_HINT, Answer, Refusal, SourceFacts

WEIGHTED = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose"})
EIGHT_BITS = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "QLinearConv"})
FLOATS = frozenset(
    {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
)
DTYPES = {
    "tensor(float)": Dtype.FLOAT32,
    "tensor(double)": Dtype.FLOAT64,
    "tensor(float16)": Dtype.FLOAT16,
    "tensor(int64)": Dtype.INT64,
    "tensor(int32)": Dtype.INT32,
    "tensor(int8)": Dtype.INT8,
    "tensor(uint8)": Dtype.UINT8,
    "tensor(bool)": Dtype.BOOL,
    "tensor(string)": Dtype.STRING,
}


class Refused(Exception):
    """The file is not one that we take."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.refusal = Refusal(message=message, hint=hint)


def tell(examine: Callable[[bytes], SourceFacts], path: Path) -> None:
    """Examine the file at `path` and print the answer."""
    try:
        answer = Answer(facts=examine(path.read_bytes()))
    except Refused as refused:
        answer = Answer(refusal=refused.refusal)
    sys.stdout.write(f"\n{ANSWER}{msgspec.json.encode(answer).decode()}\n")


def examine(data: bytes) -> SourceFacts:
    """Say what the model in `data` holds; raises Refused."""
    model = _parse(data)
    for where, tensor in _tensors(model):
        _check_tensor(where, tensor)
    _check_attributes(model)
    _check_rules(model)
    session = _load(data)
    nodes = list(_nodes(model))
    weights = {tensor.name for tensor in model.graph.initializer}
    return SourceFacts(
        contract=Contract(
            inputs=tuple(_spec(value, is_output=False) for value in session.get_inputs()),
            outputs=tuple(_spec(value, is_output=True) for value in session.get_outputs()),
        ),
        op_types=tuple(sorted({node.op_type for node in nodes})),
        parameters=_parameters(model),
        is_network=any(node.op_type in WEIGHTED and weights & set(node.input) for node in nodes),
        is_forest=any(node.op_type.startswith("TreeEnsemble") for node in nodes),
        opset=next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), 0),
        ir_version=model.ir_version,
        precision=Precision.INT8 if any(node.op_type in EIGHT_BITS for node in nodes) else Precision.FP32,
    )


def _parse(data: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        if (declared := _declared_bytes(data)) > len(data):
            message = f"the ONNX file is cut short: it declares at least {declared:,} bytes and has {len(data):,}"
            raise Refused(message, "Upload the file again, whole.") from error
        raise Refused("the model is not an ONNX file", EXPORT_HINT) from error
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise Refused("the file is not a whole ONNX model: it is cut short, or no ONNX model at all", EXPORT_HINT)
    return model


def _declared_bytes(data: bytes) -> int:
    """Where the last top-level protobuf field of `data` ends by its own word; 0 if it is no protobuf."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            _, at = _varint(data, at)
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            at += length
        else:
            return 0
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            return value, at + 1
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            break
    return value, at


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """The model's graph, its functions, and the graphs inside their nodes."""
    waiting: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    return chain.from_iterable(graph.node for graph in _graphs(model))


def _tensors(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Every tensor of the model, with a name for people."""
    for graph in _graphs(model):
        if isinstance(graph, onnx.GraphProto):
            for tensor in graph.initializer:
                yield f"tensor '{tensor.name}'", tensor
            for sparse in graph.sparse_initializer:
                yield f"tensor '{sparse.values.name}'", sparse.values
                yield f"the indices of tensor '{sparse.values.name}'", sparse.indices
        for node in graph.node:
            for attribute in node.attribute:
                where = f"attribute '{attribute.name}' of {node.op_type} '{node.name}'"
                for tensor in chain([attribute.t] if attribute.HasField("t") else [], attribute.tensors):
                    yield where, tensor


def _check_tensor(where: str, tensor: onnx.TensorProto) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        outside = ".." in Path(location).parts or Path(location).is_absolute()
        raise Refused(
            f"{where} lies in an external file, '{location}'" + (", outside the model's folder" if outside else ""),
            "Models must be single files: save with onnx.save(model, path, save_as_external_data=False).",
        )
    if tensor.data_type not in FLOATS:
        return
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise Refused(f"{where} is damaged: {error}") from error
    if np.isnan(values.astype(np.float32, copy=False)).any():
        raise Refused(f"{where} holds NaN", "The training diverged: train again, e.g. with a smaller learning rate.")


def _check_attributes(model: onnx.ModelProto) -> None:
    for node in _nodes(model):
        for attribute in node.attribute:
            if np.isnan(np.asarray([attribute.f, *attribute.floats], dtype=np.float32)).any():
                raise Refused(f"attribute '{attribute.name}' of {node.op_type} '{node.name}' holds NaN")


def _check_rules(model: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise Refused(f"the model breaks a rule of ONNX: {first_line(error)}") from error


def _load(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a class of its own for each status
        raise Refused(
            f"ONNX Runtime {onnxruntime.__version__} does not load the model: {first_line(error)}",
            "Export with an older opset, or without custom operators.",
        ) from error


def _spec(value: Any, *, is_output: bool) -> TensorSpec:
    side = "output" if is_output else "input"
    dtype = DTYPES.get(value.type)
    if dtype is None:
        raise Refused(
            f"{side} '{value.name}' is a {value.type}, which no contract can name",
            "Export plain tensors; with skl2onnx: to_onnx(model, X[:1], options={'zipmap': False}).",
        )
    if is_output and dtype is Dtype.STRING:
        raise Refused(
            f"output '{value.name}' holds text; golden tests and profiles need numbers",
            "Train on the classes' indices (0, 1, ...) and put their names into the contract.",
        )
    shape = tuple(axis if isinstance(axis, int) else None for axis in value.shape)
    kind = output_kind(dtype, shape) if is_output else Kind.NUMERIC
    return TensorSpec(name=value.name, dtype=dtype, shape=shape, kind=kind)


def output_kind(dtype: Dtype, shape: tuple[int | None, ...]) -> Kind:
    """What an output most likely is; people may say better."""
    if dtype in (Dtype.FLOAT32, Dtype.FLOAT64, Dtype.FLOAT16) and len(shape) == 2 and (shape[1] or 0) > 1:
        return Kind.SCORES
    if dtype in (Dtype.INT64, Dtype.INT32) and len(shape) == 1:
        return Kind.LABEL
    return Kind.VALUE


def _parameters(model: onnx.ModelProto) -> int:
    numbers = sum(int(np.prod(tensor.dims)) for _, tensor in _tensors(model) if tensor.data_type in FLOATS)
    trees = (attribute for node in _nodes(model) for attribute in node.attribute if attribute.name == "nodes_nodeids")
    return numbers + sum(len(attribute.ints) for attribute in trees)


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


if __name__ == "__main__":
    tell(examine, Path(sys.argv[1]))
