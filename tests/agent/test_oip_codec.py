"""The Open Inference Protocol's bytes: what is whole comes through unchanged, what is hostile is named and refused."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewright.agent.serve.http import Reply
from edgewright.agent.serve.oip.arrays import to_array, to_reply
from edgewright.agent.serve.oip.asked import MAX_TENSORS, Asked, read_asked
from edgewright.agent.serve.oip.messages import HEADER_LENGTH, Datatype
from edgewright.agent.serve.oip.routes import Ask, MethodNotAllowed, Route, read_route
from edgewright.contract.errors import HostileInput, NotFound

DTYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
numbers = st.sampled_from(sorted(DTYPES)).flatmap(lambda name: arrays.arrays(DTYPES[name], shapes))
finite = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: arrays.arrays(
        DTYPES[name],
        shapes,
        elements=arrays.from_dtype(np.dtype(DTYPES[name]), allow_nan=False, allow_infinity=False),
    )
)
words = arrays.arrays(object, shapes, elements=st.text(max_size=8))


def datatype(array: np.ndarray) -> str:
    return next((name for name, dtype in DTYPES.items() if array.dtype == dtype), "BYTES")


def as_bytes(array: np.ndarray) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    return b"".join(struct.pack("<I", len(word.encode())) + word.encode() for word in array.ravel())


def asked(content: dict[str, Any], binary: bytes = b"") -> Asked:
    head = msgspec.json.encode(content)
    return read_asked({HEADER_LENGTH: str(len(head))} if binary else {}, head + binary)


def request(array: np.ndarray, **more: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": array.shape, "datatype": datatype(array)}
    return {"inputs": [tensor | more]}


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.dtype == wanted.dtype and found.shape == wanted.shape and as_bytes(found) == as_bytes(wanted)


@given(numbers | words)
def test_binary_tensors_come_through_to_the_bit(array: np.ndarray) -> None:
    data = as_bytes(array)

    found = asked(request(array, parameters={"binary_data_size": len(data)}), data)

    assert same(to_array(found.inputs[0]), array)


@given(finite | words)
def test_json_tensors_come_through_flat_and_nested(array: np.ndarray) -> None:
    flat, nested = array.ravel().tolist(), array.tolist()

    for data in (flat, nested):
        assert same(to_array(asked(request(array, data=data)).inputs[0]), array)


@given(numbers | words, st.booleans())
def test_what_is_answered_can_be_read_again(array: np.ndarray, wants_binary: bool) -> None:
    question = asked({"inputs": [], "id": "7", "parameters": {"binary_data_output": wants_binary}})

    reply = to_reply("m", 3, question, {"y": array})

    told, binary = halves(reply)
    assert (told["model_name"], told["model_version"], told["id"]) == ("m", "3", "7")
    (output,) = told["outputs"]
    assert (output["datatype"], tuple(output["shape"])) == (datatype(array), array.shape)
    if wants_binary:
        assert binary == as_bytes(array)
        assert output["parameters"] == {"binary_data_size": len(binary)}
    else:
        assert output["data"] == [value if is_plain(value) else None for value in plain(array)]


def plain(array: np.ndarray) -> list[Any]:
    return array.ravel().tolist()


def is_plain(value: Any) -> bool:
    return not isinstance(value, float) or bool(np.isfinite(value))


def halves(reply: Reply) -> tuple[Any, bytes]:
    body = b"".join(bytes(part) for part in reply.body)
    size = int(dict(reply.headers).get(HEADER_LENGTH, len(body)))
    return msgspec.json.decode(body[:size]), body[size:]


def test_binary_data_is_not_copied_where_it_lies_well() -> None:
    array = np.arange(6, dtype=np.float32)
    head = msgspec.json.encode(request(array, parameters={"binary_data_size": 24}))
    head += b" " * (-len(head) % 16)
    body = bytearray(head + array.tobytes())
    view = memoryview(body)

    found = to_array(read_asked({HEADER_LENGTH: str(len(head))}, view).inputs[0])

    start = np.frombuffer(view, np.uint8)
    assert np.shares_memory(found, start) == (start.ctypes.data % 4 == 0)


def test_outputs_are_chosen_and_each_in_its_own_way() -> None:
    outputs = {"a": np.array([1.5], np.float32), "b": np.array([2], np.int64), "c": np.array([3], np.int64)}
    wanted = [{"name": "b", "parameters": {"binary_data": True}}, {"name": "a"}]

    told, binary = halves(to_reply("m", 1, asked({"inputs": [], "outputs": wanted}), outputs))

    assert [output["name"] for output in told["outputs"]] == ["b", "a"]
    assert told["outputs"][1]["data"] == [1.5]
    assert binary == np.array([2], np.int64).tobytes()
    assert "id" not in told


X = {"name": "x", "shape": [2], "datatype": "FP32"}
BINARY = {"parameters": {"binary_data_size": 8}}


@pytest.mark.parametrize(
    ("content", "binary", "field"),
    [
        ({}, b"", "body"),
        ({"inputs": {}}, b"", "inputs"),
        ({"inputs": [X | {"data": [1, 2], "shape": [-1, 2]}]}, b"", "inputs[0].shape"),
        ({"inputs": [X | {"data": [1, 2], "shape": [2**40, 2**40]}]}, b"", "inputs[0].shape"),
        ({"inputs": [X | {"data": [], "shape": [0, 2**62, 9]}]}, b"", "inputs[0].shape"),
        ({"inputs": [X | {"data": [1, 2], "shape": [1] * 17}]}, b"", "inputs[0].shape"),
        ({"inputs": [X | {"data": [1, 2], "shape": ["2"]}]}, b"", "inputs[0].shape[0]"),
        ({"inputs": [X | {"data": [1, 2], "datatype": "BF16"}]}, b"", "inputs[0].datatype"),
        ({"inputs": [X]}, b"", "inputs[0].data"),
        ({"inputs": [X | {"data": [1, 2]} | BINARY]}, b"12345678", "inputs[0].data"),
        ({"inputs": [X | {"data": [1, 2]}] * 2}, b"", "inputs[1].name"),
        ({"inputs": [X | BINARY]}, b"1234567", "inputs[0].parameters.binary_data_size"),
        ({"inputs": [X | BINARY]}, b"123456789", "body"),
        ({"inputs": [X | BINARY | {"shape": [3]}]}, b"12345678", "inputs[0].parameters.binary_data_size"),
        ({"inputs": [X | {"parameters": {"binary_data_size": -1}}]}, b"1", "inputs[0].parameters.binary_data_size"),
        (
            {"inputs": [X | {"parameters": {"shared_memory_region": "r"}}]},
            b"",
            "inputs[0].parameters.shared_memory_region",
        ),
        (
            {"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": 3}}]},
            b"",
            "outputs[0].parameters.classification",
        ),
        ({"inputs": [], "outputs": [{"name": "y"}] * 2}, b"", "outputs[1].name"),
        ({"inputs": [X | {"data": [1]}] * (MAX_TENSORS + 1)}, b"", "inputs"),
        ({"inputs": [], "id": "7" * 300}, b"", "id"),
    ],
)
def test_what_breaks_the_protocol_is_named(content: dict[str, Any], binary: bytes, field: str) -> None:
    with pytest.raises(HostileInput) as caught:
        asked(content, binary)

    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("datatype", "data", "says"),
    [
        ("FP32", [1, "2"], "Expected `float`"),
        ("FP32", [1, None], "Expected `float`"),
        ("FP32", [1, 1e300], "does not fit"),
        ("UINT8", [1, 256], "does not fit"),
        ("UINT64", [1, -1], "does not fit"),
        ("INT64", [1, 1.5], "Expected `int`"),
        ("BOOL", [1, 0], "Expected `bool`"),
        ("BYTES", ["a", 1], "Expected `str`"),
        ("FP32", [[1, 2]], "nested"),
        ("FP32", "12", "Expected `array`"),
        ("FP32", [1, 2, 3], "3 are there"),
    ],
)
def test_data_that_is_not_of_its_type_is_named(datatype: str, data: Any, says: str) -> None:
    tensor = asked({"inputs": [X | {"datatype": datatype, "data": data}]}).inputs[0]

    with pytest.raises(HostileInput, match=r"^inputs\[0\]") as caught:
        to_array(tensor)

    assert says in caught.value.message


@pytest.mark.parametrize(
    "binary", [b"\1\0\0\0a", b"\1\0\0\0a\xff\xff\xff\xffb", b"\0\0\0\0" * 3, b"\1\0\0\0\xff\0\0\0\0"]
)
def test_strings_that_do_not_add_up_are_refused(binary: bytes) -> None:
    tensor = X | {"datatype": "BYTES", "parameters": {"binary_data_size": len(binary)}}

    with pytest.raises(HostileInput):
        to_array(asked({"inputs": [tensor]}, binary).inputs[0])


@pytest.mark.parametrize("length", ["-1", "99999", "1e3", "", "7, 7", "9" * 400, "٣"])
def test_a_length_of_the_header_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(HostileInput) as caught:
        read_asked({HEADER_LENGTH: length}, b'{"inputs":[]}')

    assert caught.value.field == HEADER_LENGTH


@given(st.binary(max_size=300), st.none() | st.text(max_size=8))
def test_any_bytes_are_read_or_refused(body: bytes, length: str | None) -> None:
    answer_or_refuse(body, {} if length is None else {HEADER_LENGTH: length})


@given(st.data())
def test_a_damaged_request_is_read_or_refused(data: st.DataObject) -> None:
    head = msgspec.json.encode({"inputs": [X | BINARY, X | {"name": "z", "data": [[1.5, -2]], "shape": [1, 2]}]})
    body = bytearray(head + b"12345678")
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[place] = data.draw(st.integers(0, 255))

    answer_or_refuse(bytes(body), {HEADER_LENGTH: str(len(head))})


def answer_or_refuse(body: bytes, headers: dict[str, str]) -> None:
    with contextlib.suppress(HostileInput):
        for tensor in read_asked(headers, body).inputs:
            to_array(tensor)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(HostileInput):
        read_asked({}, b'{"inputs":' + b"[" * 100_000)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v2", Route(Ask.SERVER)),
        ("GET", "/v2/", Route(Ask.SERVER)),
        ("HEAD", "/v2/health/live", Route(Ask.LIVE)),
        ("GET", "/v2/health/ready", Route(Ask.READY)),
        ("GET", "/v2/models/digits", Route(Ask.MODEL, "digits")),
        ("GET", "/v2/models/d%20x/versions/3/ready", Route(Ask.MODEL_READY, "d x", "3")),
        ("POST", "/v2/models/digits/infer", Route(Ask.INFER, "digits")),
        ("POST", "/v2/models/digits/versions/3/infer", Route(Ask.INFER, "digits", "3")),
    ],
)
def test_paths_of_the_protocol(method: str, path: str, route: Route) -> None:
    assert read_route(method, path) == route


def test_other_paths_and_methods_are_refused() -> None:
    with pytest.raises(NotFound):
        read_route("GET", "/v1/models/digits")
    with pytest.raises(MethodNotAllowed):
        read_route("GET", "/v2/models/digits/infer")


def test_every_datatype_has_its_size() -> None:
    for name, dtype in DTYPES.items():
        assert Datatype(name).size_bytes == np.dtype(dtype).itemsize
