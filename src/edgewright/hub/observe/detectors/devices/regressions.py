"""Latency and resources: slower, larger or hotter than in this version's first days, or than the version before.

Requests of one quarter of an hour are alike, so a look, not a request, is what counts: the 95th percentile over at
least a quarter of an hour and some rows. The first three days' looks (at least 40) are what is usual. From then on each
look's rank among them is a conformal p-value (Vovk, Gammerman & Shafer 2005), on which three bets are made,
ε·p^(ε−1); M ← (M + minutes) · bet. It takes no assumption about latencies but that looks of an unchanged version could
have come in any order; a day's ups and downs are within the first days. The version before is known by its total
alone: a look is worse if it is over its 95th percentile by half the tolerance, and not more than a quarter of the looks
may be; that takes no first days.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.profile import FeatureKind
from edgewright.contract.profile.scales import SCALES
from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.evidence import climb, finding, grow, minutes
from edgewright.hub.observe.detectors.labels import bernoulli
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed

SHARE = 0.95
LOOK_MINUTES = 15.0
FIRST_DAYS_S = 3 * 86400.0
FIRST_LOOKS = 40
MOST_LOOKS = 300
BETS = (0.1, 0.3, 0.6)
WORSE_SHARE = 0.25
REMEMBERED = 1 - 1 / 8
LEAST_ROWS = {
    FeatureKind.LATENCY: 50.0,
    FeatureKind.MEMORY: 5.0,
    FeatureKind.CPU: 5.0,
    FeatureKind.TEMPERATURE: 5.0,
}
TOLERANCES = {  # in octaves, octaves, cores and degrees Celsius
    FeatureKind.LATENCY: 0.32,
    FeatureKind.MEMORY: 0.26,
    FeatureKind.CPU: 0.25,
    FeatureKind.TEMPERATURE: 5.0,
}
MEASURES = {
    FeatureKind.LATENCY: "rise of the 95th percentile, in octaves",
    FeatureKind.MEMORY: "rise of the 95th percentile, in octaves",
    FeatureKind.CPU: "rise of the 95th percentile, in cores",
    FeatureKind.TEMPERATURE: "rise of the 95th percentile, in degrees Celsius",
}


@dataclass(frozen=True)
class State:
    """The look that is being taken, the usual ones, and where the bets stand; the last axis is the quantities."""

    filling: Floats  # (slots,) of all quantities
    usual: Floats  # (looks, quantities), NaN never: unused ones are -inf
    log_values: Floats  # (bets, quantities)
    climbs: Floats  # the same
    since: Floats  # (quantities,)
    log_before: Floats  # (extents, quantities)
    climbs_before: Floats  # the same
    since_before: Floats  # (quantities,)
    recent: Floats  # (quantities,): mean of the newest looks
    weight: Floats  # (quantities,)
    before: Floats  # (quantities,): of the version before; -inf where not known
    minutes: float = 0.0
    start: float = 0.0
    first_at: float = 0.0
    looks: int = 0
    is_taught: int = 0


class _Regression(Packed[State]):
    """`tolerance` multiplies the rises that are no news."""

    kind: AlertKind
    kinds: tuple[FeatureKind, ...]
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = 1.0) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """The quantities of these kinds."""
        return tuple(baseline.schema.features[place].name for place in self._places(baseline))

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        places = self._places(baseline)
        zeros, unknown = np.zeros(len(places)), np.full(len(places), -np.inf)
        return State(
            filling=np.zeros(len(_slots(baseline, places))),
            usual=np.full((MOST_LOOKS, len(places)), -np.inf),
            log_values=np.full((len(BETS), len(places)), -np.inf),
            climbs=np.zeros((len(BETS), len(places))),
            since=zeros,
            log_before=np.full((len(bernoulli.EXTENTS), len(places)), -np.inf),
            climbs_before=np.zeros((len(bernoulli.EXTENTS), len(places))),
            since_before=zeros,
            recent=zeros,
            weight=zeros,
            before=unknown,
        )

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more; a look that it completes is held against the usual ones."""
        places = self._places(baseline)
        if not places:
            return state
        slots = _slots(baseline, places)
        filled = replace(
            state,
            filling=state.filling + np.maximum(pane.counts[slots], 0.0),
            before=state.before if pane.before is None else _levels(baseline, places, pane.before[slots]),
            minutes=state.minutes + minutes(pane),
            start=state.start if state.minutes else pane.start,
            first_at=state.first_at or pane.start,
        )
        return filled if filled.minutes < LOOK_MINUTES else _looked(filled, baseline, places, pane.end)

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """Each quantity against the first days, and against the version before where that is known."""
        features = [baseline.schema.features[place] for place in self._places(baseline)]
        changes = []
        for i, feature in enumerate(features):
            recent = float(state.recent[i] / state.weight[i]) if state.weight[i] else 0.0
            if state.is_taught:
                known = state.usual[: state.looks, i]
                usual = float(np.median(known[np.isfinite(known)])) if np.isfinite(known).any() else recent
                sure = float(bernoulli.evidence(state.log_values)[i])
                since = float(state.since[i])
                changes.append(self._change(feature.name, feature.kind, recent, usual, sure, since, Against.FIRST_DAYS))
            if np.isfinite(state.before[i]):
                usual, since = float(state.before[i]), float(state.since_before[i])
                sure = float(bernoulli.evidence(state.log_before)[i])
                changes.append(
                    self._change(feature.name, feature.kind, recent, usual, sure, since, Against.VERSION_BEFORE)
                )
        return finding(self.kind, Against.FIRST_DAYS, changes, max(len(changes), len(features)))

    def _change(
        self, name: str, kind: FeatureKind, recent: float, usual: float, sure: float, since: float, against: Against
    ) -> Change:
        return Change(
            feature=name,
            effect=max(0.0, recent - usual),
            measure=MEASURES[kind],
            tolerance=self._tolerance * TOLERANCES[kind],
            evidence=sure,
            direction="higher" if recent > usual else "lower",
            since=since,
            expected=_shown(kind, usual),
            seen=_shown(kind, recent),
            against=against,
        )

    def _places(self, baseline: Baseline) -> list[int]:
        return [place for kind in self.kinds for place in baseline.schema.of_kind(kind)]


class LatencyRegression(_Regression):
    """Watches how long calls take."""

    kind = AlertKind.LATENCY
    kinds = (FeatureKind.LATENCY,)


class ResourceRegression(_Regression):
    """Watches memory, CPU and temperature."""

    kind = AlertKind.RESOURCES
    kinds = (FeatureKind.MEMORY, FeatureKind.CPU, FeatureKind.TEMPERATURE)


def _looked(state: State, baseline: Baseline, places: list[int], now: float) -> State:
    """Take the full look in: into the usual ones in the first days, against them afterwards."""
    level = _levels(baseline, places, state.filling)
    known = np.isfinite(level)
    state = replace(
        state,
        filling=np.zeros_like(state.filling),
        minutes=0.0,
        recent=REMEMBERED * state.recent + np.where(known, level, 0.0),
        weight=REMEMBERED * state.weight + known,
    )
    tolerance = np.array([TOLERANCES[baseline.schema.features[place].kind] for place in places])
    state = _against_before(state, level, known & np.isfinite(state.before), tolerance)
    if state.is_taught:
        return _against_first_days(state, level, known)
    usual = state.usual.copy()
    usual[state.looks % MOST_LOOKS] = level
    looks = state.looks + 1
    is_enough = looks >= FIRST_LOOKS and (now - state.first_at >= FIRST_DAYS_S or looks >= MOST_LOOKS)
    return replace(state, usual=usual, looks=min(looks, MOST_LOOKS), is_taught=int(is_enough))


def _against_first_days(state: State, level: Floats, known: np.ndarray) -> State:
    usual = state.usual[: state.looks]
    total = np.isfinite(usual).sum(axis=0)
    rank = 1 + (usual >= level).sum(axis=0)
    p = np.where(known & (total >= FIRST_LOOKS), rank / (total + 1), 1.0)
    bets = np.array(BETS)[:, None]
    gain = np.where(known, np.log(bets) + (bets - 1) * np.log(p), 0.0)
    return replace(
        state,
        log_values=grow(state.log_values, gain, LOOK_MINUTES),
        climbs=climb(state.climbs, gain),
        since=np.where((state.climbs <= 0).all(axis=0), state.start, state.since),
    )


def _against_before(state: State, level: Floats, known: np.ndarray, tolerance: Floats) -> State:
    is_worse = (level > np.where(known, state.before, np.inf) + tolerance / 2).astype(np.float64)
    gain = bernoulli.gains(np.full(len(level), WORSE_SHARE), is_worse, known.astype(np.float64))
    return replace(
        state,
        log_before=grow(state.log_before, gain, LOOK_MINUTES),
        climbs_before=climb(state.climbs_before, gain),
        since_before=np.where((state.climbs_before <= 0).all(axis=0), state.start, state.since_before),
    )


def _slots(baseline: Baseline, places: list[int]) -> np.ndarray:
    schema = baseline.schema
    spans = [np.arange(schema.offsets[place], schema.offsets[place + 1]) for place in places]
    return np.concatenate(spans) if spans else np.zeros(0, np.int64)


def _levels(baseline: Baseline, places: list[int], counts: Floats) -> Floats:
    """Each quantity's 95th percentile, in octaves or units; -inf where there are too few rows."""
    levels, start = np.full(len(places), -np.inf), 0
    for i, place in enumerate(places):
        kind = baseline.schema.features[place].kind
        scale = SCALES[kind]
        own = counts[start : start + scale.bins]
        start += scale.slots
        if own.sum() >= LEAST_ROWS[kind]:
            levels[i] = scale.low + scale.width * _quantile(own)
    return levels


def _quantile(counts: Floats) -> float:
    """Where SHARE of the rows lies, in bins from the lowest edge; straight lines within a bin."""
    ends = np.cumsum(counts)
    wanted = SHARE * ends[-1]
    place = int(np.searchsorted(ends, wanted))
    below = float(ends[place] - counts[place])
    return place + float(wanted - below) / max(1e-12, float(counts[place]))


def _shown(kind: FeatureKind, level: float) -> float:
    """In seconds, bytes, cores or degrees."""
    return float(2.0**level) if SCALES[kind].is_log else level
