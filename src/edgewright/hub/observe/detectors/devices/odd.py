"""One dirty device among many: a device that changes as its cohort does not, also while the whole cohort drifts.

Devices differ from each other, and a fleet may drift: neither makes a device odd. So what is judged is how a device's
mean normal score of a feature *changed* from its own past, less the median change of its cohort: the smallest one of
eight devices or more that it belongs to, or else all devices. A look takes 200 rows of the typical device. Its
residuals, each over the noise of its rows, are divided by their spread over all devices (1.4826 times the median
absolute deviation, Rousseeuw & Croux 1993; never less than the noise of rows alone), which makes z; it becomes the
normal score of the tail that Student's t with devices − 1 degrees gives it, cut at 6. For a device whose score shifted
by δ = ±2 or ±4 the ratio e^(δz − δ²/2) is a bet against "no shift": M ← (M + minutes) · ratio, for every device and
feature. So a large fault alarms at the first look, a small one over some. Multiplicity is counted over devices ×
features.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.errors import HostileInput
from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.evidence import capped, climb, finding, grow, minutes
from edgewright.hub.observe.detectors.model import MOST_CHANGES, Against, Change, Devices, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import MAX_STATE_BYTES, MOST
from edgewright.hub.observe.detectors.tails import normal_of_t

LOOK_ROWS = 200.0
LEAST_ROWS = 50.0
LEAST_DEVICES = 8
MOST_DEVICES = 1000
SHIFTS = (-4.0, -2.0, 2.0, 4.0)
MOST_Z = 6.0
PAST_LOOKS = 48.0
TOLERANCE_SD = 0.3
KEPT_S = 7 * 86400.0
"""A device that was not heard of for so long makes room for another."""
DAMPED = 0.9
"""Of z: the median and its spread are estimates too, and rows of one hour are not independent."""


@dataclass(frozen=True)
class State:
    """Arrays are (devices[, 2 or shifts], features): rows and sums of scores, of the look and of the past."""

    names: tuple[str, ...]
    cohorts: tuple[tuple[str, ...], ...]  # of each device
    last_at: Floats  # (devices,): start of the last pane that it was part of
    look: Floats  # (devices, 2, features): rows, sum of scores
    past: Floats  # the same, weighted
    log_values: Floats  # (devices, shifts, features)
    climbs: Floats  # the same
    since: Floats  # (devices, features)
    effect: Floats  # (devices, features): of the last look, in standard deviations
    minutes: float = 0.0
    start: float = 0.0


class OddDevice:
    """Watches the devices of a cohort; names those that changed by `tolerance` standard deviations more than it did."""

    kind = AlertKind.ODD_DEVICE
    reads = frozenset({Reads.DEVICES})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE_SD) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """All inputs whose values have an order."""
        groups = baseline.inputs
        ordered = (groups.is_ordered.sum(axis=1) > 1).tolist()
        return tuple(name for name, has_order in zip(groups.names, ordered, strict=True) if has_order)

    def fresh(self, baseline: Baseline) -> State:
        """No device seen."""
        return _empty((), len(self.watches(baseline)))

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more; the look that it completes is judged."""
        if pane.devices is None or not self.watches(baseline):
            return state
        state = _joined(state, pane.devices, pane.start)
        look = state.look.copy()
        rows, sums = _scored(baseline, pane.devices)
        place = {name: i for i, name in enumerate(state.names)}
        known = [i for i, name in enumerate(pane.devices.names) if name in place]
        at = [place[pane.devices.names[i]] for i in known]
        np.add.at(look[:, 0], at, rows[known])
        np.add.at(look[:, 1], at, sums[known])
        start = state.start if state.minutes else pane.start
        filled = replace(state, look=look, minutes=state.minutes + minutes(pane), start=start)
        return _judged(filled) if _is_full(look) else filled

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """The most evident devices and features, of devices × features that are watched."""
        names = self.watches(baseline)
        watched = max(1, len(state.names)) * len(names)
        if not state.names or not names:
            return finding(self.kind, Against.COHORT, (), watched)
        sure = capped(np.logaddexp.reduce(state.log_values, axis=1) - math.log(len(SHIFTS)))
        order = np.argsort(-sure, axis=None, kind="stable")[:MOST_CHANGES]
        places = [divmod(int(flat), len(names)) for flat in order]
        changes = [
            Change(
                feature=names[k],
                effect=abs(float(state.effect[i, k])),
                measure="change against its cohort, in standard deviations",
                tolerance=self._tolerance,
                evidence=float(sure[i, k]),
                direction="higher" if state.effect[i, k] > 0 else "lower",
                since=float(state.since[i, k]),
                rows=int(state.past[i, 0, k]),
                device=state.names[i],
            )
            for i, k in places
        ]
        return finding(self.kind, Against.COHORT, changes, watched)

    def encode(self, state: State) -> bytes:
        """Names, then arrays."""
        arrays = [getattr(state, name) for name in ARRAYS]
        saved = _Saved(
            names=state.names,
            cohorts=state.cohorts,
            arrays=[np.ascontiguousarray(one, "<f4").tobytes() for one in arrays],
            minutes=state.minutes,
            start=state.start,
        )
        return msgspec.msgpack.encode(saved)

    def decode(self, data: bytes, baseline: Baseline) -> State:
        """Raises HostileInput unless the arrays fit the names and the features."""
        return _decoded(data, len(self.watches(baseline))) if data else self.fresh(baseline)


ARRAYS = ("last_at", "look", "past", "log_values", "climbs", "since", "effect")


class _Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    names: tuple[str, ...]
    cohorts: tuple[tuple[str, ...], ...]
    arrays: list[bytes]
    minutes: float
    start: float


def _decoded(data: bytes, features: int) -> State:
    if len(data) > MAX_STATE_BYTES:
        raise HostileInput(f"a detector's state has at most {MAX_STATE_BYTES} bytes", field="state")
    try:
        saved = msgspec.msgpack.decode(data, type=_Saved)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a detector's state: {error}", field="state") from error
    if len(saved.names) > MOST_DEVICES or len(set(saved.names)) != len(saved.names):
        raise HostileInput("a state has names of different devices", field="names")
    if len(saved.cohorts) != len(saved.names):
        raise HostileInput("a state has the cohorts of each device", field="cohorts")
    like = _empty(saved.names, features)
    wanted = [getattr(like, name) for name in ARRAYS]
    if [len(one) for one in saved.arrays] != [4 * one.size for one in wanted]:
        raise HostileInput("the state's arrays do not fit its devices and features", field="arrays")
    read = [np.frombuffer(one, "<f4") for one in saved.arrays]
    if not all(((np.abs(one) <= MOST) | (one == -np.inf)).all() for one in read):
        raise HostileInput("the state has values that no state has", field="arrays")
    arrays: dict[str, Any] = {
        name: one.reshape(to.shape).astype(np.float64) for name, one, to in zip(ARRAYS, read, wanted, strict=True)
    }
    if not (0 <= saved.minutes <= MOST and abs(saved.start) <= MOST):
        raise HostileInput("the state has times that are none", field="minutes")
    return replace(like, cohorts=saved.cohorts, minutes=saved.minutes, start=saved.start, **arrays)


def _empty(names: tuple[str, ...], features: int) -> State:
    sums = np.zeros((len(names), 2, features))
    zeros = np.zeros((len(names), features))
    bets = np.zeros((len(names), len(SHIFTS), features))
    cohorts: tuple[tuple[str, ...], ...] = ((),) * len(names)
    return State(names, cohorts, np.zeros(len(names)), sums, sums, np.full(bets.shape, -np.inf), bets, zeros, zeros)


def _joined(state: State, devices: Devices, at: float) -> State:
    """Room for devices that are new, in place of those long gone; where it does not do, for those that hash lowest."""
    new = sorted(set(devices.names) - set(state.names), key=_hash)
    if new and len(state.names) + len(new) > MOST_DEVICES:
        state = _only(state, state.last_at >= at - KEPT_S)
    if added := new[: MOST_DEVICES - len(state.names)]:
        more = _empty(tuple(added), state.look.shape[2])
        both: dict[str, Any] = {name: np.concatenate([getattr(state, name), getattr(more, name)]) for name in ARRAYS}
        state = replace(state, names=state.names + more.names, cohorts=state.cohorts + more.cohorts, **both)
    here = set(devices.names)
    is_here = np.array([name in here for name in state.names], np.bool_)
    cohorts = tuple(
        tuple(devices.cohorts.get(name, ())) if name in here else known
        for name, known in zip(state.names, state.cohorts, strict=True)
    )
    return replace(state, cohorts=cohorts, last_at=np.where(is_here, at, state.last_at))


def _only(state: State, kept: np.ndarray) -> State:
    """The state of the kept devices (devices,) alone."""
    places = np.flatnonzero(kept).tolist()
    arrays: dict[str, Any] = {name: getattr(state, name)[kept] for name in ARRAYS}
    names = tuple(state.names[i] for i in places)
    return replace(state, names=names, cohorts=tuple(state.cohorts[i] for i in places), **arrays)


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _scored(baseline: Baseline, devices: Devices) -> tuple[Floats, Floats]:
    """Rows and sums of scores of each device (devices, features)."""
    groups = baseline.inputs
    watched = groups.is_ordered.sum(axis=1) > 1
    counts = np.maximum(groups.of_each(devices.counts), 0.0)[:, watched]
    known = groups.is_ordered[watched]
    return (counts * known).sum(axis=2), (counts * groups.scores[watched]).sum(axis=2)


def _is_full(look: Floats) -> bool:
    rows = look[:, 0].max(axis=1)
    seen = rows[rows > 0]
    return bool(len(seen)) and float(np.median(seen)) >= LOOK_ROWS


def _judged(state: State) -> State:
    """Bet on the full look, then let it join the past."""
    rows, past = state.look[:, 0], state.past[:, 0]
    is_told = (rows >= LEAST_ROWS) & (past >= LEAST_ROWS)
    change, z = _residuals(state, is_told)
    shifts = np.array(SHIFTS)[:, None]
    gain = np.where(is_told[:, None], shifts * z[:, None] - shifts**2 / 2, 0.0)
    begins = (state.climbs <= 0).all(axis=1)
    # what sticks out does not become the past, or a fault would be taken for usual
    joins = np.where(np.abs(z) < MOST_Z / 2, 1.0, 0.0)[:, None]
    forget = np.where(rows[:, None] > 0, 1 - joins / PAST_LOOKS, 1.0)
    return State(
        names=state.names,
        cohorts=state.cohorts,
        last_at=state.last_at,
        look=np.zeros_like(state.look),
        past=forget * state.past + joins * state.look,
        log_values=grow(state.log_values, gain, max(1.0, state.minutes)),
        climbs=climb(state.climbs, gain),
        since=np.where(begins, state.start, state.since),
        effect=np.where(is_told, change, state.effect),
    )


def _residuals(state: State, is_told: np.ndarray) -> tuple[Floats, Floats]:
    """(devices, features): by how much more than its cohort a device changed, and how sure that is."""
    rows, past = np.maximum(state.look[:, 0], 1e-9), np.maximum(state.past[:, 0], 1e-9)
    change = state.look[:, 1] / rows - state.past[:, 1] / past
    noise = np.sqrt(1 / rows + 1 / past)
    cohort = _smallest_cohorts(state.cohorts, np.asarray(is_told.any(axis=1)))
    z, away = np.zeros_like(change), np.zeros_like(change)
    for place in range(change.shape[1]):
        told = is_told[:, place]
        if told.sum() < LEAST_DEVICES:
            continue
        own = change[told, place] - _medians(change[told, place], cohort[told])
        scaled = own / noise[told, place]
        spread = max(1.0, 1.4826 * float(np.median(np.abs(scaled))))
        away[told, place] = own
        z[told, place] = np.clip(normal_of_t(DAMPED * scaled / spread, told.sum() - 1.0), -MOST_Z, MOST_Z)
    return away, z


def _smallest_cohorts(cohorts: Sequence[Sequence[str]], is_told: np.ndarray) -> np.ndarray:
    """(devices,): a number for the smallest cohort of each that is large enough; 0 for all devices together."""
    sizes = Counter(name for own, told in zip(cohorts, is_told, strict=True) if told for name in own)
    numbers = {name: number for number, name in enumerate(sorted(sizes), start=1) if sizes[name] >= LEAST_DEVICES}
    smallest = [
        min((name for name in own if name in numbers), key=lambda name: (sizes[name], name), default="")
        for own in cohorts
    ]
    return np.array([numbers.get(name, 0) for name in smallest], np.int64)


def _medians(values: Floats, cohort: np.ndarray) -> Floats:
    """(devices,): the median of each one's cohort, where enough of it is there, or else of all."""
    found = np.full(len(values), np.median(values))
    for number in np.unique(cohort[cohort > 0]):
        own = cohort == number
        if own.sum() >= LEAST_DEVICES:
            found[own] = np.median(values[own])
    return found
