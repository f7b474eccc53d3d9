"""Reads a request for inference: hostile bytes in, tensors as bytes out, every bound checked. No numpy.

The binary tensor extension: the first `Inference-Header-Content-Length` bytes of the body are JSON, and the tensors
that name a `binary_data_size` follow it one after the other.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edgewright.agent.serve.http import Headers
from edgewright.agent.serve.oip.messages import HEADER_LENGTH, Datatype, FeedbackRequest, InferRequest, Input
from edgewright.contract.errors import HostileInput

MAX_TENSORS = 64
MAX_AXES = 16
MAX_ELEMENTS = 2**28
MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_ID_CHARS = 256
MAX_FEEDBACK_BYTES = 4096

_AT = re.compile(r" - at `(?:\$|key)?\.?(?P<field>.*)`$")


class Tensor(NamedTuple):
    """A tensor as it came: `data` is the JSON of a list, or where `is_binary` the elements themselves."""

    field: str  # where in the request, as inputs[0]
    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    data: memoryview
    is_binary: bool

    @property
    def elements(self) -> int:
        """How many elements the shape tells of."""
        return math.prod(self.shape)


class Asked(NamedTuple):
    """A request for inference. `outputs` is None for all; else names, with True where bytes are wanted."""

    id: str | None
    inputs: tuple[Tensor, ...]
    outputs: dict[str, bool] | None
    wants_binary: bool


def read_asked(headers: Headers, body: bytes | bytearray | memoryview) -> Asked:
    """Parse a request. Raises HostileInput, whose message begins with the field."""
    head, binary = split(headers, body)
    try:
        request = _REQUEST.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error, "a request for inference") from error
    _check_counts(request)
    return Asked(
        id=request.id,
        inputs=read_tensors(request.inputs, binary, "inputs"),
        outputs=_outputs(request),
        wants_binary=request.parameters.binary_data_output,
    )


def read_feedback(body: bytes | bytearray | memoryview) -> FeedbackRequest:
    """Parse what a person says of an answer. Raises HostileInput, whose message begins with the field."""
    if len(body) > MAX_FEEDBACK_BYTES:
        raise _refusal("body", f"feedback has at most {MAX_FEEDBACK_BYTES} bytes")
    try:
        return _FEEDBACK.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error, "feedback") from error


def split(headers: Headers, body: bytes | bytearray | memoryview) -> tuple[memoryview, memoryview]:
    """The JSON, and what follows it. Raises HostileInput."""
    view = memoryview(body)
    length = headers.get(HEADER_LENGTH)
    size = view.nbytes
    if length is not None:
        if not re.fullmatch(r"[0-9]{1,12}", length) or int(length) > size:
            raise _refusal(HEADER_LENGTH, f"'{length[:40]}' is no length within a body of {size} bytes")
        size = int(length)
    if size > MAX_JSON_BYTES:
        raise _refusal("body", f"the JSON of a request has at most {MAX_JSON_BYTES} bytes; send tensors as binary data")
    return view[:size], view[size:]


def read_tensors(given: Sequence[Input], binary: memoryview, where: str) -> tuple[Tensor, ...]:
    """The tensors that `given` describes, with their parts of `binary`. Raises HostileInput."""
    tensors, start, names = [], 0, set()
    for place, tensor in enumerate(given):
        field = f"{where}[{place}]"
        if tensor.name in names:
            raise _refusal(f"{field}.name", f"'{tensor.name[:80]}' was there before")
        names.add(tensor.name)
        _check_shape(field, tensor)
        size = tensor.parameters.binary_data_size
        if size is None:
            if not bytes(memoryview(tensor.data)[:1]):
                raise _refusal(f"{field}.data", "is missing")
            tensors.append(_tensor(field, tensor, memoryview(tensor.data), is_binary=False))
            continue
        if not 0 <= size <= binary.nbytes - start:
            left = binary.nbytes - start
            raise _refusal(f"{field}.parameters.binary_data_size", f"is {size}; {left} bytes are left behind the JSON")
        tensors.append(_tensor(field, tensor, binary[start : start + size], is_binary=True))
        start += size
    if start != binary.nbytes:
        raise _refusal("body", f"{binary.nbytes - start} bytes at its end belong to no tensor")
    return tuple(tensors)


def read_words(tensor: Tensor) -> list[str]:
    """Elements of binary BYTES: a length of four bytes, little-endian, and so many of UTF-8. Raises HostileInput."""
    words: list[str] = []
    data, start, field = tensor.data, 0, f"{tensor.field}.data"
    while start < data.nbytes:
        (size,) = struct.unpack_from("<I", data, start) if data.nbytes - start >= 4 else (data.nbytes,)
        if start + 4 + size > data.nbytes or len(words) == tensor.elements:
            raise _refusal(field, f"is not {tensor.elements} x BYTES, each behind its length")
        try:
            words.append(str(data[start + 4 : start + 4 + size], "utf-8"))
        except UnicodeDecodeError as error:
            raise _refusal(field, f"element {len(words)} is not UTF-8") from error
        start += 4 + size
    return words


def _tensor(field: str, given: Input, data: memoryview, *, is_binary: bool) -> Tensor:
    tensor = Tensor(field, given.name, given.datatype, given.shape, data, is_binary)
    if is_binary:
        if bytes(memoryview(given.data)[:1]):
            raise _refusal(f"{field}.data", "is there twice: in the JSON and as binary data")
        size = tensor.elements * given.datatype.size_bytes
        if given.datatype is not Datatype.BYTES and data.nbytes != size:
            told = f"{tensor.elements} x {given.datatype} are {size} bytes, not {data.nbytes}"
            raise _refusal(f"{field}.parameters.binary_data_size", told)
    return tensor


def _check_counts(request: InferRequest) -> None:
    if len(request.inputs) > MAX_TENSORS or len(request.outputs or ()) > MAX_TENSORS:
        raise _refusal("inputs", f"a request has at most {MAX_TENSORS} inputs and as many outputs")
    if request.id is not None and len(request.id) > MAX_ID_CHARS:
        raise _refusal("id", f"has at most {MAX_ID_CHARS} characters")


def _check_shape(field: str, tensor: Input) -> None:
    if len(tensor.shape) > MAX_AXES or any(axis < 0 for axis in tensor.shape):
        raise _refusal(f"{field}.shape", f"{list(tensor.shape[:20])} is no shape of at most {MAX_AXES} axes")
    if math.prod(max(axis, 1) for axis in tensor.shape) > MAX_ELEMENTS:  # as numpy counts where an axis is 0
        raise _refusal(f"{field}.shape", f"a tensor has at most {MAX_ELEMENTS} elements")
    if tensor.parameters.shared_memory_region is not None:
        raise _refusal(f"{field}.parameters.shared_memory_region", "shared memory is not served; send binary data")


def _outputs(request: InferRequest) -> dict[str, bool] | None:
    if request.outputs is None:
        return None
    wanted: dict[str, bool] = {}
    for place, output in enumerate(request.outputs):
        field, asked = f"outputs[{place}]", output.parameters
        if output.name in wanted:
            raise _refusal(f"{field}.name", f"'{output.name[:80]}' was there before")
        if asked.classification is not None:
            raise _refusal(f"{field}.parameters.classification", "is not served; ask for the scores")
        if asked.shared_memory_region is not None:
            raise _refusal(f"{field}.parameters.shared_memory_region", "shared memory is not served")
        is_binary = request.parameters.binary_data_output if asked.binary_data is None else asked.binary_data
        wanted[output.name] = is_binary
    return wanted


def _not_json(error: Exception, what: str) -> HostileInput:
    text = str(error)
    found = _AT.search(text)
    field = found["field"] if found and found["field"] else "body"
    plain = _AT.sub("", text)
    return _refusal(field, plain[:1].lower() + plain[1:] if field != "body" else f"not {what}: {plain}")


def _refusal(field: str, message: str) -> HostileInput:
    return HostileInput(f"{field}: {message}", field=field)


_REQUEST = msgspec.json.Decoder(InferRequest)
_FEEDBACK = msgspec.json.Decoder(FeedbackRequest)
