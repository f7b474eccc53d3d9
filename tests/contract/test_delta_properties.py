"""Whatever the tensors hold and however they changed, a delta gives back the very bits."""

from __future__ import annotations

import json
import struct

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract.delta.applier import apply_bytes
from edgewright.contract.delta.coding.coder import read_sparse, write_sparse
from edgewright.contract.delta.coding.elements import BY_CODE, FLOAT16, FLOAT32, INT8, Element, monotone
from edgewright.contract.delta.coding.symbols import (
    read_bits,
    read_digits,
    read_planes,
    read_positions,
    write_bits,
    write_digits,
    write_planes,
    write_positions,
)
from edgewright.contract.delta.maker import make_bytes
from edgewright.contract.delta.maker.containers import find_tensors
from edgewright.contract.delta.reader import Reader
from edgewright.contract.delta.source import MemorySource
from edgewright.contract.delta.writer import Writer

SAFETENSORS = ("I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64")
ONNX = (3, 5, 6, 7, 10, 16, 1, 11)

elements = st.sampled_from(BY_CODE)
shapes = st.sampled_from([(1,), (7,), (40,), (3, 5), (16, 40), (40, 16), (70, 33), (2, 3, 3, 3), (300, 64), (5000,)])
seeds = st.integers(0, 2**32 - 1)
shares = st.sampled_from([0.0, 0.001, 0.05, 0.3, 1.0])
spreads = st.sampled_from([0, 1, 3, 9, 20, 62])  # bits by which a value moves


def rebuilt(base: bytes, new: bytes) -> bytes:
    delta, _ = make_bytes(base, new)
    result = bytearray()
    apply_bytes(memoryview(base), memoryview(delta), result.extend, max_result_bytes=len(new))
    return bytes(result)


def first_values(element: Element, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Weights as a network has them, and every special pattern: zeros, infinities, NaNs with payloads, denormals."""
    if element.is_float:
        width, mantissa = element.size_bytes * 8, element.mantissa_bits
        sign = np.iinfo(element.dtype).min
        infinity = ((1 << element.exponent_bits) - 1) << mantissa
        special = [
            0,
            sign,
            1,
            sign + 1,
            infinity,
            sign + infinity,
            infinity + 1,
            sign + infinity + 3,
            (1 << mantissa) - 1,
        ]
        exponents = random.integers(1 << (element.exponent_bits - 2), 1 << (element.exponent_bits - 1), shape)
        bits = (exponents.astype(np.int64) << mantissa) + random.integers(0, 1 << mantissa, shape)
        bits[random.random(shape) < 0.5] += np.int64(sign) if width == 64 else sign
        values = bits.astype(element.dtype)
    else:
        limits = np.iinfo(element.dtype)
        special = [0, limits.min, limits.max]
        values = random.normal(0, 30, shape).astype(np.int64).clip(-128, 127).astype(element.dtype)
    at = random.random(shape) < 0.05
    values[at] = random.choice(np.array(special, element.dtype), int(at.sum()))
    return values


def moved(values: np.ndarray, share: float, spread: int, random: np.random.Generator) -> np.ndarray:
    bits = min(spread, values.dtype.itemsize * 8 - 2)
    steps = random.integers(-(1 << bits), (1 << bits) + 1, values.shape).astype(values.dtype)
    return np.where(random.random(values.shape) < share, values + steps, values)


def in_safetensors(tensors: list[np.ndarray], element: Element) -> bytes:
    header, end = {}, 0
    for number, tensor in enumerate(tensors):
        place = [end, end + tensor.nbytes]
        header[f"t{number}"] = {"dtype": SAFETENSORS[element.code], "shape": list(tensor.shape), "data_offsets": place}
        end += tensor.nbytes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensor.tobytes() for tensor in tensors)


def in_onnx(tensors: list[np.ndarray], element: Element) -> bytes:
    protos = [
        onnx.TensorProto(name=f"t{i}", data_type=ONNX[element.code], dims=tensor.shape, raw_data=tensor.tobytes())
        for i, tensor in enumerate(tensors)
    ]
    return onnx.ModelProto(ir_version=9, graph=onnx.GraphProto(name="g", initializer=protos)).SerializeToString()


@settings(max_examples=60, deadline=None)
@given(
    elements,
    st.lists(shapes, min_size=1, max_size=4),
    seeds,
    shares,
    spreads,
    st.sampled_from([in_safetensors, in_onnx]),
)
def test_changed_tensors_come_back_to_the_bit(element, dims, seed, share, spread, wrapped):
    random = np.random.default_rng(seed)
    before = [first_values(element, shape, random) for shape in dims]
    after = [moved(values, share, spread, random) for values in before]

    result = rebuilt(wrapped(before, element), wrapped(after, element))

    assert result == wrapped(after, element)


@settings(max_examples=15, deadline=None)
@given(elements, shapes, shapes, seeds)
def test_tensors_of_another_shape_come_back_to_the_bit(element, shape, other, seed):
    random = np.random.default_rng(seed)
    base = in_safetensors([first_values(element, shape, random)], element)
    new = in_onnx([first_values(element, other, random), first_values(element, shape, random)], element)

    assert rebuilt(base, new) == new


@pytest.mark.parametrize("element", [INT8, FLOAT16, FLOAT32], ids=["int8", "float16", "float32"])
def test_tensors_of_several_blocks_come_back_to_the_bit(element):
    random = np.random.default_rng(7)
    before = [first_values(element, (600, 500), random), first_values(element, (1, 263_001), random)]
    after = [moved(values, 0.4, 5, random) for values in before]
    after[0][100:500] = before[0][100:500]
    base, new = in_safetensors(before, element), in_safetensors(after, element)

    assert rebuilt(base, new) == new


@pytest.mark.parametrize("factor", [0.999, -1.5, 1e-30])
def test_scaled_tensors_with_every_special_value_come_back_to_the_bit(factor):
    element = FLOAT32
    before = first_values(element, (80, 64), np.random.default_rng(3))
    with np.errstate(all="ignore"):
        after = (before.view(np.float32) * np.float32(factor)).view(np.int32)
    base, new = in_safetensors([before], element), in_safetensors([after], element)

    delta, _ = make_bytes(base, new)

    assert rebuilt(base, new) == new
    assert len(delta) < len(new) / 10


def test_a_merged_low_rank_adapter_costs_little_more_than_the_adapter():
    random = np.random.default_rng(4)
    before = random.normal(0, 0.05, (256, 300)).astype(np.float32)
    adapter = random.normal(0, 0.02, (256, 4)) @ random.normal(0, 0.02, (4, 300))
    after = (before + adapter).astype(np.float32)
    base, new = (in_safetensors([values.view(np.int32)], FLOAT32) for values in (before, after))

    delta, _ = make_bytes(base, new)

    assert rebuilt(base, new) == new
    assert len(delta) < 0.06 * len(new)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=3000), st.binary(max_size=3000), st.integers(0, 3000), st.integers(0, 3000))
def test_bytes_of_no_known_container_come_back(base, inserted, cut, place):
    new = base[cut:] + inserted + base[:place] + base

    assert rebuilt(base, new) == new
    assert rebuilt(new, base) == base


@given(st.binary(max_size=2000))
def test_no_bytes_upset_the_walker(data):
    for candidate in (data, b"\x3a" + data, struct.pack("<Q", len(data)) + b"{" + data):
        assert all(tensor.end <= len(candidate) for tensor in find_tensors(MemorySource(candidate)))


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=400), st.sampled_from([1, 2, 8, 100]))
def test_digits_come_back_in_every_scheme(values, divisor):
    symbols = (np.array(values) // divisor).astype(np.int8)
    writer = Writer()

    write_digits(writer, symbols)

    assert read_digits(reader(writer), len(symbols)).tolist() == symbols.tolist()


@given(st.sets(st.integers(0, 200_000), max_size=200))
def test_positions_come_back(places):
    positions = np.array(sorted(places), np.int64)
    writer = Writer()

    write_positions(writer, positions)

    assert read_positions(reader(writer), len(positions), 200_001).tolist() == positions.tolist()


@given(st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=50), st.integers(0, 40))
def test_bit_fields_come_back(values, width):
    fields = np.array(values, np.int64) & ((1 << width) - 1)
    writer = Writer()

    write_bits(writer, fields, width)

    assert read_bits(reader(writer), len(fields), width, np.dtype(np.int64)).tolist() == fields.tolist()


@given(elements, seeds, st.integers(0, 300))
def test_sparse_residuals_and_planes_come_back(element, seed, length):
    random = np.random.default_rng(seed)
    limits = np.iinfo(element.dtype)
    values = random.integers(limits.min, limits.max, length, element.dtype, endpoint=True)
    values[random.random(length) < 0.5] = limits.min
    values[random.random(length) < 0.5] = 0
    writer = Writer()

    write_sparse(writer, values)
    write_planes(writer, values)

    source = reader(writer)
    found = np.zeros(length, element.dtype)
    at, there = read_sparse(source, length, element.dtype)
    found[at] = there
    assert found.tolist() == values.tolist()
    assert read_planes(source, length, element.dtype).tolist() == values.tolist()


@given(st.lists(st.floats(width=32, allow_nan=False).filter(lambda value: value != 0), min_size=2, max_size=50))
def test_monotone_integers_order_floats_and_invert_themselves(values):
    floats = np.sort(np.array(values, np.float32))
    mapped = monotone(floats.view(np.int32), FLOAT32)

    assert mapped.tolist() == sorted(mapped.tolist())
    assert monotone(mapped, FLOAT32).tolist() == floats.view(np.int32).tolist()


@given(st.binary(max_size=300), st.integers(-(2**60), 2**60))
def test_packed_bytes_and_numbers_come_back(data, number):
    writer = Writer()

    writer.packed(data)
    writer.signed(number)

    source = reader(writer)
    assert bytes(source.packed(len(data))) == data
    assert source.signed() == number
    assert source.remaining == 0


def reader(writer: Writer) -> Reader:
    return Reader(memoryview(bytes(writer.data)))
