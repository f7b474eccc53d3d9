"""200 cameras that differ, one of which gets dirty; and a category of 1 797 values.

Each camera sees digits through 16 principal components, all moved by an offset of its own (normal, 0.3 standard
deviations a component). After twelve hours one camera's components shift by 0.4 standard deviations more; and, in
the second scene, the whole fleet's by 0.15. Every camera sees 200 rows an hour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detection.watching import HOUR_S, Watch, false_alarms
from detection.worlds import World
from edgewright.contract.profile import Profile, build_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe.detectors import Baseline, Devices, Pane, detector, over_all

CAMERAS, ROWS = 200, 200
CLEAN_HOURS, DIRTY_HOURS = 12, 12
OFFSET_SD, DIRT_SD, FLEET_SD = 0.3, 0.4, 0.15
DIRTY = 17


@dataclass(frozen=True)
class Named:
    """Whether the dirty camera was named, after how many hours, and how many clean ones were."""

    is_named: bool
    hours: float
    clean_named: int


def dirty_camera(world: World, seed: int, fleet_sd: float) -> Named:
    """One scene."""
    random = np.random.default_rng(seed)
    watch, offsets = detector("odd-device"), random.normal(0, OFFSET_SD, (CAMERAS, world.rows.shape[1])) * world.spread
    state, named, first = watch.fresh(world.baseline), set[str](), float("inf")
    for hour in range(CLEAN_HOURS + DIRTY_HOURS):
        is_late = hour >= CLEAN_HOURS
        counts = []
        for camera in range(CAMERAS):
            moved = offsets[camera] + is_late * (fleet_sd + DIRT_SD * (camera == DIRTY)) * world.spread
            counts.append(_counts(world, world.draw(ROWS, random)[0] + moved))
        devices = Devices(tuple(f"camera-{camera}" for camera in range(CAMERAS)), np.stack(counts))
        pane = Pane(
            hour * HOUR_S, (hour + 1) * HOUR_S, float(CAMERAS * ROWS), devices.counts.sum(axis=0), devices=devices
        )
        state = watch.step(state, world.baseline, pane)
        found = over_all({"": watch.judge(state, world.baseline)})[""].devices
        named |= set(found)
        if f"camera-{DIRTY}" in found:
            first = min(first, hour - CLEAN_HOURS + 1)
    return Named(f"camera-{DIRTY}" in named, first, len(named - {f"camera-{DIRTY}"}))


def category_alarms(world: World, hours: int, seed: int) -> list[str]:
    """A column with 1 797 values, one for each digit of the data set, without drift: the detectors that alarm."""
    random = np.random.default_rng(seed)
    spec = TensorSpec(name="part", dtype=Dtype.INT64, shape=(None, 1), kind=Kind.CATEGORICAL)
    contract = Contract(inputs=(spec,), outputs=())
    weights = 1 / np.arange(1, len(world.rows) + 1)

    def parts(count: int) -> np.ndarray:
        return random.choice(len(weights), (count, 1), p=weights / weights.sum()).astype(np.int64)

    schema = build_schema(contract, "parts", 1, {"part": parts(10_000)}, {})

    def pane(hour: int) -> Pane:
        seen = Profile(schema)
        seen.update({"part": parts(60)}, {})
        return Pane(hour * HOUR_S, (hour + 1) * HOUR_S, 60.0, seen.counts.astype(np.float64))

    return false_alarms(Watch(Baseline(schema)), map(pane, range(hours)))


def _counts(world: World, rows: np.ndarray) -> np.ndarray:
    seen = Profile(world.schema)
    seen.update({"x": rows.astype(np.float32)}, {})
    return seen.counts.astype(np.float64)
