"""Which device is odd: it changed as the cohort it belongs to did not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from edgewright.contract.profile import Profile, build_schema
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.observe.detectors import Baseline, Devices, Pane
from edgewright.hub.observe.detectors.devices import odd

HOUR_S = 3600.0
NAMES = tuple(f"d{number:02}" for number in range(24))
BERLIN = NAMES[:10]
COHORTS = {name: ("site=berlin",) if name in BERLIN else ("site=ulm",) for name in NAMES}


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 1), names=("light",))
    rows = np.random.default_rng(0).normal(size=(5000, 1))
    return Baseline(build_schema(Contract(inputs=(spec,), outputs=()), "shelf", 1, {"x": rows}, {}))


def odd_ones(baseline: Baseline, shifts: Mapping[str, float], cohorts: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The devices named within eight hours after those in `shifts` have changed; twelve went by before."""
    random, detector = np.random.default_rng(1), odd.OddDevice()
    state, named = detector.fresh(baseline), set()
    for hour in range(20):
        counts = []
        for name in NAMES:
            seen = Profile(baseline.schema)
            rows = random.normal(size=(240, 1)) + (shifts.get(name, 0.0) if hour >= 12 else 0.0)
            seen.update({"x": rows}, {}, 0.001)
            counts.append(seen.counts.astype(float))
        total, own = np.sum(counts, axis=0), Devices(NAMES, np.array(counts), cohorts)
        pane = Pane(hour * HOUR_S, (hour + 1) * HOUR_S, 240.0 * len(NAMES), total, devices=own)
        state = detector.decode(detector.encode(detector.step(state, baseline, pane)), baseline)
        named |= set(detector.judge(state, baseline).devices)
    return named


def test_a_site_that_changes_as_one_has_no_odd_device(baseline):
    assert odd_ones(baseline, dict.fromkeys(BERLIN, 1.0), COHORTS) == set()


def test_a_device_that_changes_beside_its_site_is_odd_whatever_the_others_do(baseline):
    shifts = dict.fromkeys(BERLIN[1:], 1.0)

    assert odd_ones(baseline, shifts, COHORTS) == {BERLIN[0]}


def test_without_cohorts_it_is_measured_by_all_devices(baseline):
    assert odd_ones(baseline, dict.fromkeys(BERLIN, 1.0), {}) == set(BERLIN)


def test_a_cohort_of_few_is_no_cohort(baseline):
    cohorts = {name: ("site=small",) if name in NAMES[:4] else () for name in NAMES}

    assert odd_ones(baseline, dict.fromkeys(NAMES[:4], 1.0), cohorts) == set(NAMES[:4])


def test_devices_that_are_long_gone_make_room(baseline, monkeypatch):
    monkeypatch.setattr(odd, "MOST_DEVICES", 3)
    detector, slots = odd.OddDevice(), baseline.schema.offsets[-1]
    state = detector.fresh(baseline)

    for at, names in ((0.0, ("a", "b", "c")), (odd.KEPT_S, ("b", "d")), (odd.KEPT_S + 60, ("b", "d"))):
        pane = Pane(at, at + 60, 10.0, np.zeros(slots), devices=Devices(names, np.zeros((len(names), slots))))
        state = detector.step(state, baseline, pane)

    assert set(state.names) == {"b", "d"}
