"""Profiles on the wire: exact in any order and number, and what is no profile is refused."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import wire

NUMBERS = st.integers(-(2**54), 2**54)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.int64, st.integers(1, 30), elements=NUMBERS))
def test_numbers_of_any_size_and_sign_come_back(numbers):
    assert np.array_equal(wire.decode(wire.encode(numbers), len(numbers)), numbers)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(arrays.arrays(np.int64, 5, elements=st.integers(-(2**40), 2**40)), min_size=1, max_size=8), st.randoms()
)
def test_many_add_up_to_the_same_in_any_order_and_sharding(parts, random):
    payloads = [wire.encode(part) for part in parts]
    random.shuffle(payloads)
    cut = random.randrange(len(payloads))

    at_once = wire.total(payloads, 5)
    sharded = [wire.encode(wire.total(some, 5)) for some in (payloads[:cut], payloads[cut:]) if some]

    assert np.array_equal(at_once, np.sum(parts, axis=0))
    assert np.array_equal(wire.total(sharded, 5), at_once)


def test_ten_years_of_windows_do_not_overflow():
    minutes = 10 * 366 * 24 * 60
    busiest = np.full(3, 2**31)

    month = wire.total([wire.encode(busiest)] * 5000)
    all_of_it = wire.total([wire.encode(month)] * (minutes // 5000))

    assert all_of_it.tolist() == [2**31 * 5000 * (minutes // 5000)] * 3


def test_sums_that_no_device_can_reach_are_refused():
    large = wire.encode(np.full(3, 2**54))

    with pytest.raises(HostileInput):
        wire.total([large] * 4)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x02",
        b"\x01\x01\x00",
        b"\x02\x00\x03\x00",
        b"\x02\x08\x03\x00",
        b"\x02\x02\x03\x00",
        wire.encode(np.arange(4)) + b"x",
        wire.encode(np.arange(4))[:-1],
        wire.encode(np.arange(5)),
        wire.encode(np.arange(3)),
    ],
)
def test_what_is_no_profile_of_four_numbers_is_refused(payload):
    with pytest.raises(HostileInput):
        wire.decode(payload, 4)


def test_a_bomb_is_not_inflated():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"\x02\x07" + packer.compress(bytes(5_000_000)) + packer.flush()

    with pytest.raises(HostileInput):
        wire.decode(bomb, 1000)
    with pytest.raises(HostileInput):
        wire.total([bomb])


def test_profiles_of_two_lengths_do_not_merge():
    with pytest.raises(HostileInput):
        wire.total([wire.encode(np.arange(3)), wire.encode(np.arange(4))])
