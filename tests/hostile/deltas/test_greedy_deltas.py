"""A delta that asks for all that the format allows, at once, gets no more memory than a device can spare."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgewright.contract.delta.applier import apply_bytes
from edgewright.contract.delta.coding.elements import BY_CODE, FLOAT32, FLOAT64, INT8
from edgewright.contract.delta.coding.predict import MAX_FACTORS, MAX_RANK, Kind, LowRank, Scaled
from edgewright.contract.delta.format import BLOCK_BYTES, BLOCK_ELEMENTS, MAX_LZMA_BITS
from hostile.deltas.script import Script

BASE = np.random.default_rng(1).bytes(9 << 20)
MEMORY_BYTES = 24 << 20


def greedy(lzma_bits: int) -> Script:
    """As many groups as there are types, as large as they may be, open while everything else happens."""
    dictionary = [] if lzma_bits else [(0, 1 << 14), (1 << 15, 1 << 14)]
    script = Script(BASE, dictionary, lzma_bits)
    for element in BY_CODE:
        count = min(BLOCK_ELEMENTS, BLOCK_BYTES // element.size_bytes)
        new = script.at(0, element, 1, count)[0].copy()
        new[::3] ^= 1
        script.group([(0, new)], element)
    script.literal(bytes(5 << 20))
    wide = script.at(0, FLOAT64, 8, 1 << 17).copy()
    wide[:, ::999] ^= 1
    script.transposed(0, wide, FLOAT64)
    tall = script.at(0, INT8, 1 << 20, 8).copy()
    factors = np.ones(1 << 20, "<f4")
    script.delta(0, tall, INT8, Scaled(INT8, Kind.ROWS_SCALED, factors))
    rows = MAX_FACTORS // MAX_RANK - 128
    parts = np.zeros((rows, MAX_RANK), "<f4"), np.zeros((MAX_RANK, 128), "<f4")
    script.delta(0, script.at(0, FLOAT32, rows, 128), FLOAT32, LowRank(FLOAT32, *parts))
    for element in BY_CODE:
        script.member(element)
    return script


@pytest.mark.slow
@pytest.mark.parametrize("lzma_bits", [0, MAX_LZMA_BITS])
def test_the_greediest_delta_takes_less_memory_than_a_device_must_have(lzma_bits):
    delta = greedy(lzma_bits).finish()
    count = 0

    def write(data: bytes | memoryview) -> None:
        nonlocal count
        count += len(data)

    tracemalloc.start()
    apply_bytes(BASE, delta, write, max_result_bytes=1 << 30)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count > 30 << 20
    assert peak_bytes < MEMORY_BYTES, f"{peak_bytes:,}"
