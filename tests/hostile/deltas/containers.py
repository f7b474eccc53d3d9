"""Small pairs of model files of every container that the maker knows: what was trained, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import flatbuffers
import numpy as np
import onnx
from safetensors.numpy import save

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Pair:
    """Two files, and the OpenVINO .xml that tells where the tensors of each lie ("" for other kinds)."""

    name: str
    base: bytes
    new: bytes
    base_layout: str = ""
    new_layout: str = ""


def container_pairs() -> Iterator[Pair]:
    """One of each kind."""
    before, after = _weights()
    yield Pair("safetensors-tensors", save(before, {"step": "1"}), save(after, {"step": "2, after a while"}))
    renamed = {f"onnx::MatMul_{number}": values for number, values in enumerate(after.values())}
    yield Pair("ONNX-initializers", _onnx(before), _onnx(renamed))
    yield Pair("TFLite-buffers", _tflite(before), _tflite(after))
    files = _weights_file(before), _weights_file(after)
    yield Pair("OpenVINO-weights", *files, _layout(before), _layout(after))
    text = b"a file of a kind that nobody knows; " * 40
    yield Pair("other-bytes", text, text[:700] + b"with something in between" + text[700:])


def _weights() -> tuple[Weights, Weights]:
    random = np.random.default_rng(8)
    before: Weights = {
        "dense": random.normal(0, 0.1, (24, 20)).astype(np.float32),
        "frozen": random.normal(0, 0.1, (12, 10)).astype(np.float32),
        "half": random.normal(0, 0.1, (20, 16)).astype(np.float16),
        "whole": random.integers(-90, 90, (30, 20)).astype(np.int8),
        "bias": random.normal(0, 1, 24).astype(np.float32),
        "scale": random.normal(0, 1, 20).astype(np.float32),
    }
    after = {name: values.copy() for name, values in before.items()}
    for name in ("dense", "bias", "scale"):
        after[name] = (after[name] + random.normal(0, 1e-4, after[name].shape)).astype(np.float32)
    after["half"][random.random(after["half"].shape) < 0.02] = 0.5
    after["whole"][:12] += random.integers(-2, 3, (12, 20)).astype(np.int8)
    after["fresh"] = random.normal(0, 1, 70).astype(np.float32)
    return before, after


def _onnx(weights: Weights) -> bytes:
    initializers = [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = onnx.helper.make_graph([], "a graph", [], [], initializer=initializers)
    data: bytes = onnx.helper.make_model(graph, producer_name="tests", ir_version=9).SerializeToString()
    return data


def _weights_file(weights: Weights) -> bytes:
    """An OpenVINO .bin: the constants alone, which its .xml tells of."""
    return b"".join(values.tobytes() for values in weights.values())


def _layout(weights: Weights) -> str:
    """Its .xml, as far as it tells of constants."""
    types = {"float32": "f32", "float16": "f16", "int8": "i8"}
    layers, offset = [], 0
    for number, (name, values) in enumerate(weights.items()):
        shape = ", ".join(map(str, values.shape))
        told = f'element_type="{types[values.dtype.name]}" shape="{shape}" offset="{offset}" size="{values.nbytes}"'
        layers.append(f'<layer id="{number}" name="{name}" type="Const" version="opset1"><data {told}/></layer>')
        offset += values.nbytes
    return f'<?xml version="1.0"?><net name="tests" version="11"><layers>{"".join(layers)}</layers></net>'


_TFLITE_TYPES = {"float32": 0, "float16": 1, "int8": 9}


def _tflite(weights: Weights) -> bytes:
    """A model of one subgraph without operators (schema.fbs: Model, SubGraph, Tensor, Buffer)."""
    builder = flatbuffers.Builder(1 << 15)
    buffers = [_table(builder, 1, {})]
    tensors = []
    for number, (name, values) in enumerate(weights.items(), start=1):
        builder.StartVector(1, values.nbytes, 16)
        builder.head = builder.Head() - values.nbytes
        builder.Bytes[builder.Head() : builder.Head() + values.nbytes] = values.tobytes()
        data = builder.EndVector()
        buffers.append(_table(builder, 1, {0: data}))
        text, shape = builder.CreateString(name), builder.CreateNumpyVector(np.array(values.shape, np.int32))
        builder.StartObject(4)
        builder.PrependUOffsetTRelativeSlot(0, shape, 0)
        builder.PrependInt8Slot(1, _TFLITE_TYPES[values.dtype.name], -1)
        builder.PrependUint32Slot(2, number, 0)
        builder.PrependUOffsetTRelativeSlot(3, text, 0)
        tensors.append(builder.EndObject())
    subgraph = _table(builder, 1, {0: _vector(builder, tensors)})
    subgraphs, all_buffers = _vector(builder, [subgraph]), _vector(builder, buffers)
    builder.StartObject(5)
    builder.PrependUint32Slot(0, 3, 0)
    builder.PrependUOffsetTRelativeSlot(2, subgraphs, 0)
    builder.PrependUOffsetTRelativeSlot(4, all_buffers, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, slots: int, offsets: dict[int, int]) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, items: list[int]) -> int:
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()
