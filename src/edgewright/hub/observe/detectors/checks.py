"""What every detector must pass, ours and yours: call `ALL_CHECKS` in a test of your own, each with your detector.

    @pytest.mark.parametrize("check", ALL_CHECKS)
    def test_my_detector(check):
        check(MyDetector())

Each raises AssertionError with what went wrong. They play a small model without drift, on panes that carry everything a
pane can: counts, answers, devices, the version before.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import Profile, Schema, build_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe.detectors.baseline import Baseline, HoldOut
from edgewright.hub.observe.detectors.evidence import over_all
from edgewright.hub.observe.detectors.model import Answers, Detector, Devices, Pane

HOUR_S = 3600.0
START = 1_800_000_000.0
COLUMNS, DIMENSIONS, CLASSES = 3, 4, 3
DEVICES = tuple(f"device-{place}" for place in range(10))
ROWS = 24
MAX_STATE_BYTES = 1_000_000
MAX_STEP_S = 1.0
ERROR_RATE = 0.1


@functools.cache
def baseline() -> Baseline:
    """A model with columns, an embedding and scores, its reference of 2 000 rows, and its hold-out."""
    inputs, outputs = _rows(np.random.default_rng(0), 2000)
    right = np.full(32, 100 * (1 - ERROR_RATE))
    confusion = np.full((CLASSES, CLASSES), 50.0) + np.eye(CLASSES) * (1000 * (1 - ERROR_RATE) - 50)
    return Baseline(_schema(inputs, outputs), HoldOut(confusion, np.full(32, 100.0), right))


@functools.cache
def panes(seed: int, count: int = 30) -> tuple[Pane, ...]:
    """`count` hours in which nothing drifts."""
    random = np.random.default_rng(seed)
    return tuple(_pane(random, START + hour * HOUR_S) for hour in range(count))


def check_promises(detector: Detector[Any]) -> None:
    """It has a kind, says what it reads, and judges a fresh state without an alarm."""
    found = detector.judge(detector.fresh(baseline()), baseline())
    _claim(detector.kind is found.kind, "a finding has the detector's kind")
    _claim(detector.reads, "a detector reads something of a pane")
    _claim(not found.is_alarm, "a detector that has seen nothing alarms")
    _claim(found.watched >= len(found.changes), "it tells of more than it watches")


def check_false_alarms(detector: Detector[Any]) -> None:
    """No alarm in four times thirty hours without drift."""
    for seed in range(4):
        state = detector.fresh(baseline())
        for pane in panes(seed):
            state = detector.step(state, baseline(), pane)
            found = over_all({"": detector.judge(state, baseline())})[""]
            _claim(not found.is_alarm, f"a false alarm: {found.alarmed[:1]}")


def check_determinism(detector: Detector[Any]) -> None:
    """The same panes give the same bytes and findings, and neither a step nor a judgement changes what it is given."""
    first, second = (_played(detector, panes(1, 12)) for _ in range(2))
    before = detector.encode(first)
    _claim(before == detector.encode(second), "the same panes gave two states")
    _claim(detector.judge(first, baseline()) == detector.judge(second, baseline()), "one state, two findings")
    detector.step(first, baseline(), panes(2, 12)[0])
    _claim(detector.encode(first) == before, "a step changed the state that it was given")


def check_saved_state(detector: Detector[Any]) -> None:
    """A state that was saved and read goes on as if it had not been; no bytes are a fresh one."""
    whole = _played(detector, panes(3, 12))
    half = detector.decode(detector.encode(_played(detector, panes(3, 12)[:6])), baseline())
    for pane in panes(3, 12)[6:]:
        half = detector.step(half, baseline(), pane)
    one, other = detector.judge(whole, baseline()), detector.judge(half, baseline())
    told = [[(c.feature, round(c.evidence, 3)) for c in found.changes] for found in (one, other)]
    _claim(told[0] == told[1], "a saved state goes on differently")
    empty = detector.encode(detector.decode(b"", baseline()))
    _claim(empty == detector.encode(detector.fresh(baseline())), "no bytes are a fresh state")


def check_hostile_state(detector: Detector[Any]) -> None:
    """Bytes that are no state raise HostileInput, or are a state that can be judged: nothing else happens."""
    data = detector.encode(_played(detector, panes(4, 6)))
    random = np.random.default_rng(0)
    tries = [b"\x00", b"\xc1", b"\x91" * 2000, b"{}", data[:-1], data + b"\x00", data[::-1], random.bytes(400)]
    for _ in range(60):
        damaged = bytearray(data)
        damaged[int(random.integers(len(data)))] = int(random.integers(256))
        tries.append(bytes(damaged))
    for hostile in tries:
        try:
            state = detector.decode(hostile, baseline())
        except HostileInput:
            continue
        detector.judge(detector.step(state, baseline(), panes(4, 6)[0]), baseline())


def check_odd_panes(detector: Detector[Any]) -> None:
    """Panes without rows, with noise below zero, with all values missing or a thousand times the rows break nothing."""
    usual = panes(5, 6)[0]
    nothing = np.zeros_like(usual.counts)
    odd = [
        Pane(START, START, 0.0, nothing),
        Pane(START, START + 1, 1.0, usual.counts - 30, noise=np.full(len(nothing), 50.0)),
        Pane(START, START + HOUR_S, usual.rows * 1000, usual.counts * 1000, expected=usual.counts),
        Pane(START, START + 90 * 86400, usual.rows, usual.counts, expected=nothing, before=nothing),
    ]
    state = detector.fresh(baseline())
    for pane in (*odd, usual):
        state = detector.step(state, baseline(), pane)
        found = detector.judge(state, baseline())
        _claim(all(np.isfinite([c.effect, c.evidence, c.since]).all() for c in found.changes), f"no numbers: {found}")


def check_bounded(detector: Detector[Any]) -> None:
    """A state does not grow with what it has seen, and a step takes less than a second."""
    state, sizes = detector.fresh(baseline()), []
    began = time.process_time()
    for pane in panes(6):
        state = detector.step(state, baseline(), pane)
        sizes.append(len(detector.encode(state)))
    took = (time.process_time() - began) / len(sizes)
    _claim(max(sizes) <= MAX_STATE_BYTES, f"a state of {max(sizes)} bytes")
    _claim(sizes[-1] <= sizes[len(sizes) // 2] * 1.2 + 100, f"the state grows: {sizes[len(sizes) // 2]} to {sizes[-1]}")
    _claim(took <= MAX_STEP_S, f"a step takes {took:.2f} s")


ALL_CHECKS: tuple[Callable[[Detector[Any]], None], ...] = (
    check_promises,
    check_false_alarms,
    check_determinism,
    check_saved_state,
    check_hostile_state,
    check_odd_panes,
    check_bounded,
)


def _claim(is_so: object, otherwise: str) -> None:
    if not is_so:
        raise AssertionError(otherwise)


def _played(detector: Detector[Any], some: tuple[Pane, ...]) -> Any:
    state = detector.fresh(baseline())
    for pane in some:
        state = detector.step(state, baseline(), pane)
    return state


def _schema(inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> Schema:
    columns = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, COLUMNS))
    embedding = TensorSpec(name="e", dtype=Dtype.FLOAT32, shape=(None, DIMENSIONS), kind=Kind.EMBEDDING)
    scores = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, CLASSES), kind=Kind.SCORES)
    return build_schema(Contract(inputs=(columns, embedding), outputs=(scores,)), "checked", 1, inputs, outputs)


def _rows(random: np.random.Generator, count: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    columns = random.normal(size=(count, COLUMNS))
    columns[:, 1] = np.exp(columns[:, 1])
    embedding = random.normal(size=(count, DIMENSIONS))
    return {"x": columns, "e": embedding}, {"scores": random.dirichlet([4, 2, 1], count)}


def _counts(random: np.random.Generator, count: int) -> np.ndarray:
    seen = Profile(baseline().schema)
    seen.update(*_rows(random, count), float(random.lognormal(-5, 0.2)))
    return seen.counts.astype(np.float64)


def _pane(random: np.random.Generator, start: float) -> Pane:
    devices = np.stack([_counts(random, ROWS) for _ in DEVICES])
    labels = random.integers(0, CLASSES, 12).astype(np.float64)
    is_wrong = random.random(12) < ERROR_RATE
    answers = Answers(
        labelled_at=np.full(12, start),
        predicted=np.where(is_wrong, (labels + 1) % CLASSES, labels),
        label=labels,
        is_wrong=is_wrong,
        is_even=np.ones(12, np.bool_),
        score=random.random(12),
        groups={"site": [str(one) for one in random.integers(0, 2, 12)]},
    )
    counts = devices.sum(axis=0)
    rows = float(ROWS * len(DEVICES))
    return Pane(start, start + HOUR_S, rows, counts, answers=answers, devices=Devices(DEVICES, devices))
