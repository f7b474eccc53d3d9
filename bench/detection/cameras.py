"""200 cameras that differ, one of which gets dirty; and a category of 1 797 values.

Each camera sees digits through 16 principal components, all moved by an offset of its own (normal, 0.3 standard
deviations a component). After twelve hours one camera's components shift by 0.4 standard deviations more; and, in
the second scene, the whole fleet's by 0.15. Every camera sees 200 rows an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from detection import peers
from detection.watching import HOUR_S, Watch, false_alarms
from detection.worlds import World
from edgewright.contract.profile import Profile, build_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe.detectors import Baseline, Devices, Pane, detector, over_all

CAMERAS, ROWS = 200, 200
CLEAN_HOURS, DIRTY_HOURS = 12, 12
OFFSET_SD, DIRT_SD, FLEET_SD = 0.3, 0.4, 0.15
DIRTY = 17
EVIDENTLY_BAR = 0.1
"""Its default."""


@dataclass(frozen=True)
class Named:
    """Whether the dirty camera was named, after how many hours, and how many clean ones were."""

    is_named: bool
    hours: float
    clean_named: int


def scene(world: World, seed: int, fleet_sd: float) -> Iterator[tuple[bool, list[np.ndarray]]]:
    """Hour by hour: whether it is late, and each camera's rows."""
    random = np.random.default_rng(seed)
    offsets = random.normal(0, OFFSET_SD, (CAMERAS, world.rows.shape[1])) * world.spread
    for hour in range(CLEAN_HOURS + DIRTY_HOURS):
        is_late = hour >= CLEAN_HOURS
        yield (
            is_late,
            [
                world.draw(ROWS, random)[0]
                + offsets[camera]
                + is_late * (fleet_sd + DIRT_SD * (camera == DIRTY)) * world.spread
                for camera in range(CAMERAS)
            ],
        )


def dirty_camera(world: World, seed: int, fleet_sd: float) -> Named:
    """One scene."""
    watch = detector("odd-device")
    state, named, first = watch.fresh(world.baseline), set[str](), float("inf")
    for hour, (is_late, rows) in enumerate(scene(world, seed, fleet_sd)):
        counts = [_counts(world, own) for own in rows]
        devices = Devices(tuple(f"camera-{camera}" for camera in range(CAMERAS)), np.stack(counts))
        pane = Pane(
            hour * HOUR_S, (hour + 1) * HOUR_S, float(CAMERAS * ROWS), devices.counts.sum(axis=0), devices=devices
        )
        state = watch.step(state, world.baseline, pane)
        found = over_all({"": watch.judge(state, world.baseline)})[""].devices
        named |= set(found)
        if is_late and f"camera-{DIRTY}" in found:
            first = min(first, hour - CLEAN_HOURS + 1)
    return Named(f"camera-{DIRTY}" in named, first, len(named - {f"camera-{DIRTY}"}))


def peers_named(world: World, seed: int, fleet_sd: float) -> dict[str, set[int]]:
    """The cameras that each peer names at its defaults, once the dirt is there (any component alarms)."""
    hours = list(scene(world, seed, fleet_sd))
    found: dict[str, set[int]] = {}
    for camera in range(CAMERAS):
        rows = np.concatenate([rows[camera] for _, rows in hours])
        if peers.has("river"):
            make, settings = peers.river_kinds()["river ADWIN"]
            alarm = peers.first_alarm(make, settings[0], rows / world.spread, CLEAN_HOURS * ROWS)[1]
            found.setdefault("river ADWIN", set()).update([camera] * (alarm != peers.NEVER))
        if peers.has("evidently"):
            scores = peers.evidently_scores(world.training[0], rows[CLEAN_HOURS * ROWS :], ROWS)
            found.setdefault("evidently", set()).update([camera] * bool(max(scores) > EVIDENTLY_BAR))
    return found


def category_alarms(world: World, hours: int, seed: int) -> list[str]:
    """A column with 1 797 values, one for each digit of the data set, without drift: the detectors that alarm."""
    parts = _parts(world, seed)
    spec = TensorSpec(name="part", dtype=Dtype.INT64, shape=(None, 1), kind=Kind.CATEGORICAL)
    contract = Contract(inputs=(spec,), outputs=())
    schema = build_schema(contract, "parts", 1, {"part": parts(10_000)}, {})

    def pane(hour: int) -> Pane:
        seen = Profile(schema)
        seen.update({"part": parts(60)}, {})
        return Pane(hour * HOUR_S, (hour + 1) * HOUR_S, 60.0, seen.counts.astype(np.float64))

    return false_alarms(Watch(Baseline(schema)), map(pane, range(hours)))


def category_peers(world: World, hours: int, seed: int) -> dict[str, int]:
    """Windows of the same column in which evidently alarms; river watches no categories."""
    if not peers.has("evidently"):
        return {}
    parts = _parts(world, seed)
    reference, values = parts(10_000)[:, 0], parts(60 * hours)[:, 0]
    scores = peers.evidently_categories(reference, values)
    return {"evidently": sum(bool(score > EVIDENTLY_BAR) for score in scores), "evidently windows": len(scores)}


def _parts(world: World, seed: int) -> Callable[[int], np.ndarray]:
    """Draws so many values, the first ones much more often than the last."""
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(world.rows) + 1)
    return lambda count: random.choice(len(weights), (count, 1), p=weights / weights.sum()).astype(np.int64)


def _counts(world: World, rows: np.ndarray) -> np.ndarray:
    seen = Profile(world.schema)
    seen.update({"x": rows.astype(np.float32)}, {})
    return seen.counts.astype(np.float64)
