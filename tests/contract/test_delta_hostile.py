"""A delta is bytes from the network: whatever is wrong with it is refused, as HostileInput and nothing else."""

from __future__ import annotations

import hashlib
import tracemalloc
import zlib

import numpy as np
import pytest
from safetensors.numpy import save

from edgewright.contract.delta import WrongBase
from edgewright.contract.delta.applier import apply_bytes
from edgewright.contract.delta.coding.elements import FLOAT32 as FLOAT32_ELEMENT
from edgewright.contract.delta.coding.predict import read_prediction
from edgewright.contract.delta.format import Header, Op, read_header
from edgewright.contract.delta.maker import make_bytes
from edgewright.contract.delta.reader import Inflater, Reader, Unpacking
from edgewright.contract.delta.writer import Writer, deflate
from edgewright.contract.errors import HostileInput

FLOAT32 = FLOAT32_ELEMENT.code
MUTANTS = [300, pytest.param(20_000, marks=pytest.mark.slow)]


def weights(random: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "dense": random.normal(0, 0.1, (60, 48)).astype(np.float32),
        "adapted": random.normal(0, 0.1, (64, 66)).astype(np.float32),
        "sparse": random.normal(0, 0.1, (40, 50)).astype(np.float16),
        "whole": random.integers(-90, 90, (50, 60)).astype(np.int8),
        "bias": random.normal(0, 1, 48).astype(np.float32),
        "scale": random.normal(0, 1, 20).astype(np.float32),
    }


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes, bytes]:
    """A base, a new file that uses every operation, and the delta between them."""
    random = np.random.default_rng(1)
    before = weights(random)
    after = {name: values.copy() for name, values in before.items()}
    for name in ("dense", "bias", "scale"):
        after[name] = (after[name] * 1.01 + random.normal(0, 1e-4, after[name].shape)).astype(np.float32)
    update = random.normal(0, 0.01, (64, 1)) @ random.normal(0, 0.1, (1, 66))
    after["adapted"] = (after["adapted"] + update).astype(np.float32)
    after["sparse"][random.random(after["sparse"].shape) < 0.02] = 0.5
    after["whole"][:20] += random.integers(-2, 3, (20, 60)).astype(np.int8)
    after["fresh"] = random.normal(0, 1, 333).astype(np.float32)
    base, new = save(before, {"made": "first"}), save(after, {"made": "second", "by": "a test"})
    return base, new, make_bytes(base, new)[0]


def applied(base: bytes, delta: bytes, max_result_bytes: int = 1 << 20) -> bytes:
    result = bytearray()
    apply_bytes(memoryview(base), memoryview(delta), result.extend, max_result_bytes=max_result_bytes)
    return bytes(result)


def test_every_truncation_is_refused(pair):
    base, _, delta = pair
    lengths = [*range(120), *range(120, len(delta), 37), len(delta) - 1]

    for length in lengths:
        with pytest.raises(HostileInput):
            applied(base, delta[:length])


def test_trailing_bytes_are_refused(pair):
    base, _, delta = pair

    with pytest.raises(HostileInput):
        applied(base, delta + b"\0")


@pytest.mark.parametrize("count", MUTANTS)
def test_mutants_are_refused_and_raise_nothing_else(pair, count):
    base, new, delta = pair
    random = np.random.default_rng(2)

    for _ in range(count):
        mutant = bytearray(delta)
        for place in random.integers(0, len(delta), random.integers(1, 4)):
            mutant[place] ^= int(random.integers(1, 256))
        assert_refused_or_right(base, bytes(mutant), new)


@pytest.mark.parametrize("count", MUTANTS)
def test_mutants_of_the_unpacked_script_are_refused_and_raise_nothing_else(pair, count):
    base, new, delta = pair
    header, script, rest = taken_apart(delta)
    random = np.random.default_rng(3)

    for _ in range(count):
        mutant = bytearray(script)
        mutant[random.integers(len(script))] = int(random.choice([0, 1, 2, 3, 4, 5, 127, 255, random.integers(256)]))
        assert_refused_or_right(base, put_together(header, bytes(mutant), rest), new)


def assert_refused_or_right(base: bytes, delta: bytes, new: bytes) -> None:
    """A flipped bit that means nothing (a Huffman table's spare code, say) may still give the right bytes."""
    try:
        result = applied(base, delta)
    except HostileInput:
        return
    assert result == new


def taken_apart(delta: bytes) -> tuple[Header, bytes, bytes]:
    reader = Reader(memoryview(delta))
    header = read_header(reader)
    script = zlib.decompress(reader.take(header.script_bytes), -15)
    return header, script, bytes(reader.take(reader.remaining))


def put_together(header: Header, script: bytes, rest: bytes) -> bytes:
    packed = deflate(script)
    writer = Writer()
    sizes = header.base_bytes, header.result_bytes, len(packed), header.literal_bytes
    Header(header.base_sha256, header.result_sha256, *sizes).write(writer)
    return bytes(writer.data) + packed + rest


def crafted(script: list[int], payload: bytes = b"", result_bytes: int = 1 << 30, literals: bytes = b"") -> bytes:
    """A delta for the empty base with this script behind an empty dictionary."""
    told = Writer()
    told.varint(0)  # literals are deflated,
    told.varint(0)  # without a dictionary
    for number in script:
        told.varint(number)
    packed, packed_literals = deflate(bytes(told.data)), deflate(literals)
    writer = Writer()
    digest = hashlib.sha256(b"").digest()
    Header(digest, digest, 0, result_bytes, len(packed), len(packed_literals)).write(writer)
    return bytes(writer.data) + packed + packed_literals + payload


def test_another_base_is_refused_as_such(pair):
    base, _, delta = pair

    for other in (b"", base[:-1], base[:-1] + b"\0", base + b"\0"):
        with pytest.raises(WrongBase):
            applied(other, delta)


def test_a_result_over_the_limit_is_refused_before_anything_is_made(pair):
    base, new, delta = pair

    with pytest.raises(HostileInput, match="too large"):
        applied(base, delta, max_result_bytes=len(new) - 1)


def test_a_bomb_of_literals_ends_at_the_declared_size_and_takes_little_memory():
    bomb = crafted([Op.LITERAL, 1000], literals=b"\0" * (64 << 20), result_bytes=1000)

    tracemalloc.start()
    with pytest.raises(HostileInput):
        applied(b"", bomb)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 2 << 20


def test_a_packed_piece_that_unpacks_to_more_than_was_said_is_refused():
    packed = deflate(b"\0" * (64 << 20))
    writer = Writer()
    writer.varint(len(packed))
    bomb = crafted([Op.RAW, FLOAT32, 100], bytes(writer.data) + packed, result_bytes=400)

    tracemalloc.start()
    with pytest.raises(HostileInput):
        applied(b"", bomb)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 2 << 20


@pytest.mark.parametrize(
    "script",
    [
        [],
        [7],
        [2**64],
        [Op.COPY, 0, 0],
        [Op.COPY, 10, 0],
        [Op.COPY, 1 << 31, 0],
        [Op.LITERAL, 1 << 29],
        [Op.DELTA, FLOAT32, 0, 1, 0],
        [Op.DELTA, FLOAT32, 1 << 30, 1, 0],
        [Op.DELTA, FLOAT32, 1 << 18, 1 << 9, 0],
        [Op.DELTA, 9, 1, 1, 0],
        [Op.RAW, FLOAT32, 0],
        [Op.RAW, FLOAT32, 1 << 28],
        [Op.GROUP, FLOAT32, 0],
        [Op.GROUP, FLOAT32, 1 << 18, 1, 0],
        [Op.GROUP, FLOAT32, 1, 1 << 19, 0],
        [Op.MEMBER, FLOAT32],
    ],
    ids=str,
)
def test_scripts_that_ask_for_what_is_not_there_are_refused(script):
    with pytest.raises(HostileInput):
        applied(b"", crafted(script), max_result_bytes=1 << 30)


def test_a_low_rank_update_larger_than_its_tensor_is_refused_before_it_is_read():
    base = b"\0" * 4096
    with pytest.raises(HostileInput, match="rank"):
        read_prediction(Reader(memoryview(b"\2\7" + base)), FLOAT32_ELEMENT, (1, 1024))


@pytest.mark.parametrize("payload", [b"\3", b"\1\0\0\x80\x7f", b"\1\0\0\xc0\x7f"])
def test_predictions_that_cannot_be_are_refused(payload):
    with pytest.raises(HostileInput):
        read_prediction(Reader(memoryview(payload)), FLOAT32_ELEMENT, (1, 1024))


def test_a_number_without_end_is_refused():
    with pytest.raises(HostileInput):
        Reader(memoryview(b"\xff" * 40)).varint()


def test_a_stream_that_is_followed_by_bytes_is_refused():
    stream = Unpacking(Reader(memoryview(deflate(b"ab") + b"c")), Inflater())
    stream.take(2)

    with pytest.raises(HostileInput):
        stream.end("script")
