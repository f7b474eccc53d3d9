"""Stretching: a busy hub has devices check in less often, and goes back without flapping."""

from __future__ import annotations

import pytest

from edgewright.contract.order import MAX_POLL_S
from edgewright.hub.web.devices.stretching import BUSY, FACTORS, QUIET, WINDOW_S, Load, Stretch, next_stretch, stretched

POLL_S = 60.0
LATER = 1e6


@pytest.mark.parametrize(
    ("level", "busy", "after"),
    [(0, 0.8, 1), (0, 0.7, 0), (0, 0.1, 0), (1, 0.5, 1), (1, 0.2, 0), (2, 0.9, 3), (3, 1.0, 3), (3, 0.29, 2)],
)
def test_a_level_follows_from_how_busy_the_hub_is(level, busy, after):
    assert next_stretch(Stretch(level), busy, POLL_S, LATER).level == after


def test_a_level_stays_until_the_devices_have_heard_of_it():
    stretch = next_stretch(Stretch(), 1.0, POLL_S, 1000.0)

    soon = next_stretch(stretch, 1.0, POLL_S, 1000.0 + 2 * POLL_S - 1)
    later = next_stretch(stretch, 1.0, POLL_S, 1000.0 + 2 * POLL_S)

    assert (stretch, soon.level, later.level) == (Stretch(1, 1000.0), 1, 2)


@pytest.mark.parametrize("work", [0.05, 0.2, 0.31, 0.5, 0.74, 0.9, 1.3, 2.9, 5.0])
def test_under_a_steady_load_it_settles(work):
    """`work` is how busy the devices' own pace would keep the hub; each level halves it."""
    stretch, now, levels = Stretch(), 0.0, []

    for _ in range(40):
        now += 10 * POLL_S
        stretch = next_stretch(stretch, work / FACTORS[stretch.level], POLL_S, now)
        levels.append(stretch.level)

    assert len(set(levels[8:])) == 1
    assert work / FACTORS[levels[-1]] <= BUSY
    assert 2 * QUIET < BUSY


@pytest.mark.parametrize(
    ("poll_s", "level", "told_s"),
    [(None, 0, None), (None, 2, 120.0), (10.0, 0, 10.0), (10.0, 3, 80.0), (80_000.0, 1, MAX_POLL_S)],
)
def test_what_a_device_is_told(poll_s, level, told_s):
    assert stretched(poll_s, level) == told_s


@pytest.mark.parametrize(("spent_s", "piled", "level"), [(0.9 * WINDOW_S, 0.0, 1), (0.1, 0.0, 0), (0.1, 0.95, 1)])
def test_the_load_is_what_the_loop_spends_or_what_piles_up(spent_s, piled, level):
    times = [(0.0, 10.0), (WINDOW_S, 10.0 + spent_s)]
    load = Load(POLL_S, lambda: times[0][0], lambda: times[0][1])
    load.look(0.0)
    times.pop(0)

    load.look(piled)

    assert load.level == level
