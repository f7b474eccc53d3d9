"""The protocol's JSON: requests, replies and metadata, as KServe's 'Open Inference Protocol' lists their fields."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from edgewright import __version__
from edgewright.contract.report import Tap
from edgewright.contract.tensors import Dtype, TensorSpec

HEADER_LENGTH = "inference-header-content-length"
BINARY_TYPE = ("content-type", "application/octet-stream")


class Datatype(StrEnum):
    """The protocol's element types, but for BF16, which numpy does not know."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    @property
    def size_bytes(self) -> int:
        """Bytes of one element; 0 for BYTES, whose elements tell their own."""
        return _SIZES[self]

    @classmethod
    def of(cls, dtype: Dtype) -> Datatype:
        """The protocol's word for a contract's."""
        return _OF_CONTRACT[dtype]


class InputParameters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`binary_data_size`: the tensor lies behind the JSON, in so many bytes."""

    binary_data_size: int | None = None
    shared_memory_region: str | None = None


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor of a request, or of a reply that is read."""

    name: str
    shape: tuple[int, ...]
    datatype: Datatype
    data: msgspec.Raw = msgspec.Raw()
    parameters: InputParameters = InputParameters()


class OutputParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`binary_data` overrules the request's `binary_data_output`."""

    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None


class AskedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """An output that the client wants."""

    name: str
    parameters: OutputParameters = OutputParameters()


class InferParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole request asks for."""

    binary_data_output: bool = False


class InferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of a request for inference."""

    inputs: tuple[Input, ...]
    id: str | None = None
    outputs: tuple[AskedOutput, ...] | None = None
    parameters: InferParameters = InferParameters()


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor of a reply: `data` in the JSON, or bytes behind it, as `parameters` says."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    data: list[Any] | msgspec.Raw | UnsetType = UNSET
    parameters: InputParameters | UnsetType = UNSET


class InferReply(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of a reply."""

    model_name: str
    model_version: str
    outputs: list[Output]
    id: str | UnsetType = UNSET


class FeedbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of the answer to the request with that `id`. No part of the protocol: ours."""

    id: str
    verdict: Tap


class FeedbackReply(msgspec.Struct, frozen=True, kw_only=True):
    """`counted` is False where that request was judged before."""

    model_name: str
    model_version: str
    counted: bool


class TensorMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """One input or output of a model; -1 is an axis of free length."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes and gives."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers."""

    name: str = "edgewright"
    version: str = __version__
    extensions: tuple[str, ...] = ("binary_tensor_data",)


class Live(msgspec.Struct, frozen=True):
    """The reply to /v2/health/live."""

    live: bool


class Ready(msgspec.Struct, frozen=True):
    """The reply to /v2/health/ready."""

    ready: bool


class ModelReady(msgspec.Struct, frozen=True):
    """The reply to a model's /ready."""

    name: str
    ready: bool


def metadata_of(spec: TensorSpec) -> TensorMetadata:
    """A contract's tensor in the protocol's words."""
    shape = tuple(-1 if axis is None else axis for axis in spec.shape)
    return TensorMetadata(name=spec.name, datatype=Datatype.of(spec.dtype), shape=shape)


_SIZES = {
    Datatype.BOOL: 1,
    Datatype.UINT8: 1,
    Datatype.UINT16: 2,
    Datatype.UINT32: 4,
    Datatype.UINT64: 8,
    Datatype.INT8: 1,
    Datatype.INT16: 2,
    Datatype.INT32: 4,
    Datatype.INT64: 8,
    Datatype.FP16: 2,
    Datatype.FP32: 4,
    Datatype.FP64: 8,
    Datatype.BYTES: 0,
}

_OF_CONTRACT = {
    Dtype.FLOAT16: Datatype.FP16,
    Dtype.FLOAT32: Datatype.FP32,
    Dtype.FLOAT64: Datatype.FP64,
    Dtype.INT8: Datatype.INT8,
    Dtype.INT32: Datatype.INT32,
    Dtype.INT64: Datatype.INT64,
    Dtype.UINT8: Datatype.UINT8,
    Dtype.BOOL: Datatype.BOOL,
    Dtype.STRING: Datatype.BYTES,
}
