"""The plan for one device: whole files, deltas and chains by bytes, link and processor."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.manifest import File, Role
from edgewright.contract.order import Fetch
from edgewright.contract.report import Pace
from edgewright.hub.packaging.deltas.planning import (
    APPLY_START_S,
    FETCH_BYTES,
    MAX_HOPS,
    REQUEST_BYTES,
    SLACK_S,
    plan_fetches,
)

MB = 1_000_000
SLOW = Pace(download_bytes_s=50_000, request_s=0.3, apply_bytes_s=20 * MB)
FAST = Pace(download_bytes_s=100 * MB, request_s=0.001, apply_bytes_s=2 * MB)
METERED = msgspec.structs.replace(FAST, is_metered=True)
SIZE = 100 * MB


def sha(name: object) -> str:
    return f"{name}".rjust(64, "0")


def file(name: object = 5, size_bytes: int = SIZE) -> File:
    return File(name=f"f{name}", role=Role.MODEL, sha256=sha(name), size_bytes=size_bytes)


def delta(base: object, result: object, size_bytes: int, result_bytes: int = SIZE) -> Fetch:
    blob = sha(f"{base}d{result}")
    return Fetch(
        base_sha256=sha(base),
        result_sha256=sha(result),
        result_bytes=result_bytes,
        sha256=blob,
        size_bytes=size_bytes,
    )


def hops(plan) -> list[tuple[str, str]]:
    return [(fetch.base_sha256.lstrip("0"), fetch.result_sha256.lstrip("0")) for fetch in plan.fetches]


DIRECT, HOP_A, HOP_B = delta(3, 5, 40 * MB), delta(3, 4, 12 * MB), delta(4, 5, 12 * MB)


@pytest.mark.parametrize(
    ("held", "known", "pace", "expected"),
    [
        ([], [DIRECT, HOP_A, HOP_B], SLOW, []),  # no base
        ([3], [], SLOW, []),  # no delta
        ([3], [HOP_A], SLOW, []),  # a delta that leads elsewhere
        ([3], [DIRECT], SLOW, [("3", "5")]),
        ([3], [DIRECT, HOP_A, HOP_B], SLOW, [("3", "4"), ("4", "5")]),  # two hops are smaller than one
        ([3, 4], [DIRECT, HOP_A, HOP_B], SLOW, [("4", "5")]),
        ([3], [delta(3, 5, 23 * MB), HOP_A, HOP_B], SLOW, [("3", "5")]),
        ([3], [DIRECT, HOP_A, HOP_B], FAST, []),  # 50 s of applying for a second of downloading
        ([3], [DIRECT, HOP_A, HOP_B], METERED, [("3", "4"), ("4", "5")]),
        ([3], [delta(3, 5, SIZE)], METERED, []),  # saves nothing
        ([3], [delta(3, 5, SIZE - 100)], METERED, []),  # saves less than it takes to order it
        ([3], [DIRECT], Pace(), [("3", "5")]),  # nothing measured yet
        ([5, 3], [DIRECT], SLOW, []),  # there already
    ],
)
def test_the_cheapest_way_is_chosen(held, known, pace, expected):
    plan = plan_fetches([file()], {sha(name) for name in held}, known, pace)

    assert hops(plan) == expected
    assert plan.full_bytes == SIZE
    assert plan.sent_bytes == (sum(fetch.size_bytes for fetch in plan.fetches) or (0 if 5 in held else SIZE))


def test_on_a_fast_line_a_small_saving_of_time_does_not_cost_bytes():
    small = file(5, 300_000)

    plan = plan_fetches([small], {sha(3)}, [delta(3, 5, 30_000, 300_000)], FAST)

    assert plan.sent_bytes == 30_000


def test_the_slack_of_a_package_goes_to_the_files_that_save_most_for_each_second():
    files = [file(f"n{number}", 20_000) for number in range(20)]
    known = [delta(f"b{number}", f"n{number}", 1000 * number + 100, 20_000) for number in range(20)]

    plan = plan_fetches(files, {sha(f"b{number}") for number in range(20)}, known, FAST)

    assert hops(plan) == [(f"b{number}", f"n{number}") for number in range(len(plan.fetches))]
    assert len(plan.fetches) == int(SLACK_S / (APPLY_START_S + 20_000 / FAST.apply_bytes_s))


def test_a_chain_is_never_longer_than_four_deltas():
    line = [delta(number, number + 1, 1000) for number in range(6)]

    assert len(plan_fetches([file(4)], {sha(0)}, line, SLOW).fetches) == MAX_HOPS
    assert plan_fetches([file(5)], {sha(0)}, line, SLOW).fetches == ()


def test_where_there_is_no_room_the_deltas_that_save_least_are_left_out():
    files = [file(f"n{number}", number * MB) for number in range(1, 10)]
    known = [delta(f"b{number}", f"n{number}", 1000, number * MB) for number in range(1, 10)]
    held = {sha(f"b{number}") for number in range(1, 10)}

    plan = plan_fetches(files, held, known, SLOW, max_fetches=3)

    assert hops(plan) == [("b7", "n7"), ("b8", "n8"), ("b9", "n9")]
    assert plan.sent_bytes == 3000 + sum(range(1, 7)) * MB


def test_a_fetch_takes_no_more_room_in_an_order_than_is_planned_for():
    longest = msgspec.structs.replace(delta(1, 2, 8 * 1024**3), result_bytes=8 * 1024**3)

    assert len(msgspec.json.encode(longest)) + 1 <= FETCH_BYTES


def test_ten_thousand_files_are_planned_in_a_moment():
    files = [file(number, 10_000) for number in range(10_000)]
    known = [delta(f"b{number}", number, 1000, 10_000) for number in range(10_000)]

    plan = plan_fetches(files, {sha(f"b{number}") for number in range(10_000)}, known, METERED)

    assert 0 < len(plan.fetches) <= 128


nodes = st.integers(0, 7)
sizes = st.integers(1, 10_000_000)
edges = st.lists(st.tuples(nodes, nodes, sizes), max_size=30)
paces = st.builds(
    Pace,
    download_bytes_s=st.sampled_from([0.0, 1e3, 1e6, 1e9]),
    request_s=st.sampled_from([0.0, 0.01, 2.0]),
    apply_bytes_s=st.sampled_from([0.0, 1e5, 1e8]),
    is_metered=st.booleans(),
)
SIZES = {number: 1_000_000 * (number + 1) for number in range(8)}


@given(edges=edges, held=st.sets(nodes), wanted=st.sets(nodes, min_size=1), pace=paces, room=st.integers(0, 12))
def test_a_plan_is_connected_bounded_never_dearer_than_full_and_always_the_same(edges, held, wanted, pace, room):
    files = [file(number, SIZES[number]) for number in sorted(wanted)]
    known = [delta(base, result, size, SIZES[result]) for base, result, size in edges if base != result]
    there = {sha(number) for number in held}

    plan = plan_fetches(files, there, known, pace, room)

    has = set(there)
    for fetch in plan.fetches:
        assert fetch.base_sha256 in has
        has.add(fetch.result_sha256)
    lacking = [one for one in files if one.sha256 not in there]
    full_bytes = sum(one.size_bytes + REQUEST_BYTES for one in lacking)
    requests = len(plan.fetches) + sum(one.sha256 not in has for one in lacking)
    assert plan.sent_bytes + REQUEST_BYTES * requests <= full_bytes
    assert len(plan.fetches) <= room
    assert plan_fetches(files, there, random.sample(known, len(known)), pace, room) == plan
    unordered = plan_fetches(files[::-1], there, known, pace, room)
    assert (set(unordered.fetches), unordered.sent_bytes) == (set(plan.fetches), plan.sent_bytes)
