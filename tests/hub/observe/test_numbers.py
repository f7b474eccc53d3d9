"""Which windows have come is remembered exactly, in a few stretches."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.hub.observe.windows import numbers


@pytest.mark.parametrize(
    ("id", "boot", "number"),
    [
        ("app-7f:12", "app-7f", 12),
        ("a:b:3", "a:b", 3),
        ("condensed:0123456789abcdef0123456789abcdef", "condensed:0123456789abcdef0123456789abcdef", 0),
        ("condensed:12345678901234567890123456789012", "condensed:12345678901234567890123456789012", 0),
        ("nothing", "nothing", 0),
        (":5", ":5", 0),
        ("", "", 0),
    ],
)
def test_an_id_names_a_boot_and_a_number(id, boot, number):
    assert numbers.parse(id) == (boot, number)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=60))
def test_each_number_is_new_once_in_any_order(order):
    stretches, new = [], []
    for number in order:
        grown = numbers.add(stretches, number)
        if grown is not None:
            new.append(number)
            stretches = grown

    assert sorted(new) == sorted(set(order))
    assert all(numbers.has(stretches, number) for number in order)
    assert all(after[0] > before[1] + 1 for before, after in itertools.pairwise(stretches))


def test_numbers_with_gaps_are_bounded():
    stretches = [[2 * i, 2 * i] for i in range(numbers.MAX_STRETCHES)]

    assert numbers.add(stretches, 10**9) is None
    assert numbers.add(stretches, 1) is not None
