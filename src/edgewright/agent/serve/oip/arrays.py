"""Tensors of the protocol as numpy arrays, and arrays as tensors.

Binary data becomes a read-only array over the request's own bytes wherever they are aligned for their type (else it
is copied once), and an output goes out from the memory that the runtime made.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np

from edgewright.agent.serve.http import JSON_TYPE, Reply
from edgewright.agent.serve.oip.asked import Asked, Tensor, read_words
from edgewright.agent.serve.oip.messages import (
    BINARY_TYPE,
    HEADER_LENGTH,
    Datatype,
    InferReply,
    InputParameters,
    Output,
)
from edgewright.contract.errors import HostileInput

T = TypeVar("T")


def to_array(tensor: Tensor) -> np.ndarray:
    """The tensor as an array, strings as objects of str. Raises HostileInput, whose message begins with the field."""
    if not tensor.is_binary:
        return _from_json(tensor)
    if tensor.datatype is Datatype.BYTES:
        return _strings(tensor, read_words(tensor))
    flat = np.frombuffer(tensor.data, _NUMPY[tensor.datatype])
    if tensor.datatype is Datatype.BOOL and flat.view(np.uint8).max(initial=0) > 1:
        raise _refusal(tensor, "a BOOL is 0 or 1")
    array = flat.reshape(tensor.shape)
    return array if array.flags.aligned else array.copy()


def to_reply(model: str, version: int, asked: Asked, outputs: Mapping[str, np.ndarray]) -> Reply:
    """The reply to a request. Raises HostileInput where an output was asked for that is none."""
    wanted = asked.outputs if asked.outputs is not None else dict.fromkeys(outputs, asked.wants_binary)
    described, parts = [], []
    for name, is_binary in wanted.items():
        if name not in outputs:
            field = f"outputs[{list(wanted).index(name)}].name"
            known = ", ".join(outputs)
            raise HostileInput(f"{field}: the model has no output '{name[:80]}'; it has {known}", field=field)
        array = outputs[name]
        datatype = _datatype(array)
        shape = array.shape
        if is_binary:
            part = _to_bytes(array, datatype)
            parts.append(part)
            parameters = InputParameters(binary_data_size=part.nbytes)
            described.append(Output(name=name, datatype=datatype, shape=shape, parameters=parameters))
        else:
            described.append(Output(name=name, datatype=datatype, shape=shape, data=array.ravel().tolist()))
    head = _ENCODER.encode(
        InferReply(
            model_name=model,
            model_version=str(version),
            outputs=described,
            id=msgspec.UNSET if asked.id is None else asked.id,
        )
    )
    if not any(wanted.values()):
        return Reply(200, (head,), (JSON_TYPE,))
    return Reply(200, (head, *parts), (BINARY_TYPE, (HEADER_LENGTH, str(len(head)))))


def to_question(inputs: Mapping[str, np.ndarray]) -> bytes:
    """The body of an inference request for these arrays, in JSON."""
    tensors = [
        Output(name=name, datatype=_datatype(array), shape=array.shape, data=array.ravel().tolist())
        for name, array in inputs.items()
    ]
    return _ENCODER.encode({"inputs": tensors})


def _from_json(tensor: Tensor) -> np.ndarray:
    kind = tensor.datatype
    if kind is Datatype.BYTES:
        return _strings(tensor, _flat(tensor, _STRINGS, list[str]))
    if kind is Datatype.BOOL:
        return _shaped(tensor, np.array(_flat(tensor, _BOOLS, list[bool]), np.bool_))
    dtype = _NUMPY[kind]
    try:
        if dtype.kind == "f":
            with np.errstate(over="raise"):
                return _shaped(tensor, np.array(_flat(tensor, _FLOATS, list[float]), dtype))
        return _shaped(tensor, np.array(_flat(tensor, _INTEGERS, list[int]), dtype))
    except (OverflowError, FloatingPointError) as error:
        raise _refusal(tensor, f"a value does not fit into {kind}") from error


def _flat(tensor: Tensor, decoder: msgspec.json.Decoder[list[T]], form: type[list[T]]) -> list[T]:
    """The elements, which the JSON may give flat or nested as the shape says."""
    try:
        return decoder.decode(tensor.data)
    except (msgspec.ValidationError, RecursionError) as error:
        if bytes(tensor.data[:64]).replace(b" ", b"")[:2] != b"[[":
            raise _refusal(tensor, _plain(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(tensor, _plain(error)) from error
    try:
        return msgspec.convert(_flattened(tensor, msgspec.json.decode(tensor.data)), form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(tensor, _plain(error)) from error


def _flattened(tensor: Tensor, nested: Any) -> list[Any]:
    level = [nested]
    for axis in tensor.shape:
        if any(not isinstance(row, list) or len(row) != axis for row in level):
            raise _refusal(tensor, f"is not nested as the shape {list(tensor.shape)} says")
        level = [value for row in level for value in row]
    return level


def _strings(tensor: Tensor, words: list[str]) -> np.ndarray:
    array = np.empty(len(words), object)
    array[:] = words
    return _shaped(tensor, array)


def _shaped(tensor: Tensor, array: np.ndarray) -> np.ndarray:
    if array.size != tensor.elements:
        told = f"{list(tensor.shape)} has {tensor.elements} elements, {array.size} are there"
        raise HostileInput(f"{tensor.field}.shape: {told}", field=f"{tensor.field}.shape")
    return array.reshape(tensor.shape)


def _datatype(array: np.ndarray) -> Datatype:
    return _OF_NUMPY.get(array.dtype, Datatype.BYTES)


def _to_bytes(array: np.ndarray, datatype: Datatype) -> memoryview:
    if datatype is Datatype.BYTES:
        words = [str(word).encode() for word in array.ravel().tolist()]
        return memoryview(b"".join(struct.pack("<I", len(word)) + word for word in words))
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _plain(error: Exception) -> str:
    return str(error).replace("`$", "`data") or type(error).__name__


def _refusal(tensor: Tensor, message: str) -> HostileInput:
    return HostileInput(f"{tensor.field}.data: {message}", field=f"{tensor.field}.data")


_NUMPY: dict[Datatype, np.dtype] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype(np.uint8),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype(np.int8),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
}
_OF_NUMPY = {dtype: datatype for datatype, dtype in _NUMPY.items()}
_FLOATS = msgspec.json.Decoder(list[float])
_INTEGERS = msgspec.json.Decoder(list[int])
_BOOLS = msgspec.json.Decoder(list[bool])
_STRINGS = msgspec.json.Decoder(list[str])
_ENCODER = msgspec.json.Encoder()
