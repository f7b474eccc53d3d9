"""Windows with noise: taken for what they say they are, told to detectors with their variance, never for exact ones."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest

from edgewright.contract.data_policy import Privacy
from edgewright.contract.profile import Profile, Tap, noise_variance
from edgewright.contract.report import ProfileWindow
from edgewright.hub.observe.detectors import Baseline
from edgewright.hub.observe.segments.panes import pane_of, read
from edgewright.hub.observe.windows.lenses import Lens


def noisy(line, window: ProfileWindow) -> ProfileWindow:
    exact = Profile.from_bytes(line.schema, window.payload)
    sent = exact.protected(Privacy(epsilon_milli=4000), random.Random(1).randrange)
    return msgspec.structs.replace(window, payload=sent.to_bytes(), epsilon_milli=4000, noised=1)


def test_a_window_with_noise_is_taken_in(line):
    window = noisy(line, line.window(rows=500))

    line.send("d-1", window, window)

    assert not line.told("observe.window_refused")
    assert [event.data["rows"] for event in line.told("observe.windows")] == [500]


@pytest.mark.parametrize(
    "change",
    [
        {"noised": 0, "epsilon_milli": 0},
        {"noised": -1},
        {"noised": 1, "epsilon_milli": 0},
        {"noised": 0},
        {"noised": 2**40},
        {"epsilon_milli": 10**9},
    ],
)
def test_one_that_tells_untruths_of_its_noise_is_refused(line, change):
    window = msgspec.structs.replace(noisy(line, line.window(rows=500)), **change)

    line.send("d-1", window)

    assert len(line.told("observe.window_refused")) == 1


def test_a_pane_carries_the_variance_of_its_windows(line):
    lens = Lens("press", 1, line.schema, Baseline(line.schema))
    windows = [noisy(line, line.window(rows=500)), line.window(rows=500)]
    rows = [msgspec.structs.asdict(window) | {"device": "d-1"} for window in windows]

    pane = pane_of(line.schema, read(lens, rows, [1.0, 0.5]))

    assert np.array_equal(pane.noise, noise_variance(line.schema, 4000))
    assert pane_of(line.schema, read(lens, rows[1:], [1.0])).noise is None


def test_taps_without_rows_are_taken_in(line):
    seen = Profile(line.schema)
    seen.tap(Tap.WRONG)
    window = msgspec.structs.replace(line.window(), rows=0, payload=seen.to_bytes())

    line.send("d-1", window)

    assert not line.told("observe.window_refused")
