"""The child that parses an uploaded .tflite file under limits: `python -m …registry.inspector_tflite PATH`.

It answers as `inspector` does. A hostile file may crash LiteRT's own parser: then it crashes this child alone.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.contract.api import ModelFormat, Precision
from edgewright.contract.delta.coding.elements import FLOAT16, FLOAT32, FLOAT64
from edgewright.contract.delta.maker.containers.tensor import Tensor
from edgewright.contract.delta.maker.containers.tflite import walk_tflite
from edgewright.contract.delta.maker.containers.window import Window
from edgewright.contract.delta.source import MemorySource
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.registry.inspect import SourceFacts
from edgewright.hub.registry.inspector import Refused, first_line, output_kind, tell

SCHEMA_VERSION = 3
WEIGHTED = frozenset({"BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
FLOATS = {FLOAT16: "<f2", FLOAT32: "<f4", FLOAT64: "<f8"}
DEFAULT_SIGNATURE = "serving_default"
FREE = -1
WHOLE_HINT = "Convert it again, and upload it whole."
CUSTOM_HINT = "Convert it with LiteRT's built-in operators alone; register what goes into Vela, not what comes out."


def examine(data: bytes) -> SourceFacts:
    """Say what the model in `data` holds; raises Refused."""
    tensors = _tensors(data)
    for tensor, values in tensors:
        if np.isnan(values).any():
            message = f"tensor '{tensor.name[:80]}' holds NaN"
            raise Refused(message, "The training diverged: train again, e.g. with a smaller learning rate.")
    interpreter = _load(data)
    inputs, outputs = _ports(interpreter)
    has_rows = all(_shape(each)[:1] in ((1,), (None,)) for each in inputs.values())
    operators = {each["op_name"] for each in interpreter._get_ops_details()}
    return SourceFacts(
        contract=Contract(
            inputs=tuple(_spec(name, each, has_rows, is_output=False) for name, each in inputs.items()),
            outputs=tuple(_spec(name, each, has_rows, is_output=True) for name, each in outputs.items()),
        ),
        op_types=(),
        parameters=sum(math.prod(tensor.shape) for tensor, _ in tensors),
        is_network=bool(operators & WEIGHTED),
        is_forest=False,
        opset=0,
        ir_version=SCHEMA_VERSION,
        format=ModelFormat.TFLITE,
        precision=Precision.INT8 if _is_quantised(interpreter) else Precision.FP32,
    )


def _tensors(data: bytes) -> list[tuple[Tensor, Any]]:
    """Every tensor with data, and its values where they are floats."""
    try:
        found = list(walk_tflite(Window(MemorySource(data))))
        return [(each, _floats(data, each)) for each in found]
    except (ValueError, IndexError, struct.error) as error:
        raise Refused(f"the TFLite file is damaged or cut short: {first_line(error)}", WHOLE_HINT) from error


def _floats(data: bytes, tensor: Tensor) -> Any:
    if tensor.end > len(data):
        raise ValueError(f"tensor '{tensor.name[:80]}' lies beyond its end")
    form = FLOATS.get(tensor.element)
    if form is None:
        return np.zeros(0)
    return np.frombuffer(data, form, tensor.size_bytes // np.dtype(form).itemsize, tensor.offset)


def _load(data: bytes) -> Any:
    from ai_edge_litert import interpreter

    kernels = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        made = interpreter.Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=kernels)
        made.allocate_tensors()
    except Exception as error:  # ValueError and RuntimeError, as it happens; UnicodeDecodeError for names
        hint = CUSTOM_HINT if "custom op" in str(error) else WHOLE_HINT
        raise Refused(f"LiteRT does not load the model: {first_line(error)}", hint) from error
    return made


def _is_quantised(interpreter: Any) -> bool:
    """Whether a tensor of eight bits has a scale."""
    return any(
        np.dtype(each["dtype"]).itemsize == 1 and len(each["quantization_parameters"]["scales"])
        for each in interpreter.get_tensor_details()
    )


def _ports(interpreter: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What goes in and out by the names that devices use: those of the signature, if there is one."""
    inputs, outputs = _by_name(interpreter.get_input_details()), _by_name(interpreter.get_output_details())
    signatures = interpreter.get_signature_list()
    if not signatures:
        return inputs, outputs
    key = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in signatures else next(iter(signatures))
    try:
        runner = interpreter.get_signature_runner(key)
        return runner.get_input_details(), runner.get_output_details()
    except ValueError as error:
        raise Refused(f"its signature '{key[:80]}' is damaged: {first_line(error)}", WHOLE_HINT) from error


def _by_name(side: Iterable[Any]) -> dict[str, Any]:
    return {each["name"]: each for each in side}


def _shape(details: Mapping[str, Any]) -> tuple[int | None, ...]:
    axes = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    return tuple(None if axis == FREE else int(axis) for axis in axes)


def _spec(name: str, details: Mapping[str, Any], has_rows: bool, *, is_output: bool) -> TensorSpec:
    """The contract of a port. A model made for one row at a time takes any number: runtimes give it one by one."""
    side = "output" if is_output else "input"
    try:
        dtype = Dtype(np.dtype(details["dtype"]).name)
    except (TypeError, ValueError) as error:
        raise Refused(f"{side} '{name}' is {details['dtype']}, which no contract can name") from error
    shape = _shape(details)
    if has_rows and shape[:1] == (1,):
        shape = (None, *shape[1:])
    spec = TensorSpec(name=name, dtype=dtype, shape=shape)
    return TensorSpec(name=name, dtype=dtype, shape=shape, kind=output_kind(dtype, shape)) if is_output else spec


if __name__ == "__main__":
    tell(examine, Path(sys.argv[1]))
