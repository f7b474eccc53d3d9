"""tflite-micro's arena as its planner lays it out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgewright.hub.optimize.measuring.arena import Lived, arena_bytes, placed
from plugins import small_tflite

LIVES = st.builds(
    lambda size, first, length: Lived(16 * size, first, first + length),
    st.integers(1, 40),
    st.integers(0, 8),
    st.integers(0, 4),
)


def test_what_lives_one_after_the_other_shares_its_place() -> None:
    chain = [Lived(64, 0, 1), Lived(128, 1, 2), Lived(64, 2, 3)]

    plan = placed(chain)

    assert {(one.size_bytes, one.offset) for one in plan} == {(128, 0), (64, 128)}


def test_a_gap_between_two_is_used() -> None:
    lives = [Lived(64, 0, 9), Lived(48, 0, 1), Lived(32, 0, 9), Lived(32, 3, 9)]

    plan = placed(lives)

    assert max(one.offset + one.size_bytes for one in plan) == 64 + 48 + 32


@given(st.lists(LIVES, max_size=12))
def test_what_lives_at_once_never_overlaps_and_nothing_gets_lost(lives: list[Lived]) -> None:
    plan = placed(lives)

    assert len(plan) == len(lives)
    for one in plan:
        for other in plan:
            if one is not other and one.first <= other.last and other.first <= one.last:
                assert one.offset + one.size_bytes <= other.offset or other.offset + other.size_bytes <= one.offset


def test_a_model_takes_its_ports_its_tables_and_its_channels() -> None:
    x_and_y = 16 + 16  # four and three bytes, each up to 16
    tensors, channels = 4 * 12, 3 * 8

    assert arena_bytes(small_tflite.tflite_int8().data) == x_and_y + tensors + channels
