"""The drift detector: a multinomial e-detector over panes of profile counts. Pure; see docs/reference/profiles.md.

For every feature a Shiryaev–Roberts statistic M ← (1 + M) · Λ watches whether the live rows are better explained
by what was seen lately than by the reference p₀. Λ is the likelihood ratio of one pane,
Π (q/p₀)^count · e^(−margin·rows), where q is an exponentially weighted mean of *earlier* panes. Three weights
(1/3, 1/10, 1/30) are three tracks: for leaps, for steps and for creep. While the live rows differ from p₀ by less
than the margin (in nats, a Kullback–Leibler divergence), E[M] grows by at most one a pane, and so does the mean
over tracks and features: an alarm at the threshold A comes on average no earlier than after A panes (Shin, Ramdas
and Rinaldo: E-detectors, 2022). That holds however often one looks.

The margin. p₀ is an estimate from n reference rows, and live rows come from a world that is finite too (a small
plant, a hold-out set). The divergence between two samples of n and m rows of one truth is about
(1/2)(1/n + 1/m) χ² with (bins − 1) degrees of freedom. DESIGN's 0.002 + 2·bins/n covers its mean where m is much
larger than n; it does not cover the worst of many features, nor a small world. So the margin here is
0.002 + (1/2)(1/n + 5/n)·χ²(1 − 0.001/features), which covers both down to m = n/5; for n = 10 000 and 20 bins it
is 0.018 against DESIGN's 0.006, and a shift of 0.3 standard deviations is still seen.

Coarse bins. With n = 120 rows twenty bins hold six each and such a margin would hide a shift of one standard
deviation. So neighbouring bins are joined until each holds 20 reference rows: fewer bins, fewer degrees of
freedom, a smaller margin. The slot for missing values always stays by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgewright.contract.profile import FeatureKind, Schema

Floats = npt.NDArray[np.float64]

WEIGHTS = (1 / 3, 1 / 10, 1 / 30)
PRIOR_ROWS = 40.0
THRESHOLD = math.log(10_000)
"""Natural logarithm of the mean number of panes between two false alarms: a week of one pane a minute."""
EVIDENCE_CAP = 2 * THRESHOLD
"""So that a drift that has passed is forgotten within a few panes."""
MARGIN_NATS = 0.002
MARGIN_LEVEL = 0.001
MIN_GROUP_ROWS = 20
WORLD_SHARE = 1 / 5
"""Live rows are drawn from a world of at least this share of the reference's rows."""


@dataclass(frozen=True)
class Baseline:
    """The references of the features that are watched, in coarse bins ('groups'), padded to a common width.

    `shares` (features, groups) are the smoothed reference shares, 0 in the padding; `margins` are in nats a row.
    """

    names: tuple[str, ...]
    kinds: tuple[FeatureKind, ...]
    shares: Floats
    log_shares: Floats
    margins: Floats
    n_ref: Floats
    groups: npt.NDArray[np.int64]
    """How many groups each feature has; the last one is 'missing'."""
    group_of_slot: npt.NDArray[np.int64]

    def group(self, counts: npt.NDArray[np.int64] | Floats) -> Floats:
        """Slots' counts of a profile as (features, groups)."""
        size = self.shares.size
        grouped = np.bincount(self.group_of_slot, weights=counts, minlength=size + 1).astype(np.float64)
        return grouped[:size].reshape(self.shares.shape)


@dataclass(frozen=True)
class State:
    """Where the detector stands: arrays are (tracks, features[, groups])."""

    recent: Floats  # exponentially weighted counts
    log_values: Floats  # ln M
    since: Floats  # start of the pane at which M last was at its floor
    rows_since: Floats
    panes: int = 0
    rows: int = 0


def baseline_of(schema: Schema) -> Baseline:
    """Prepare the references of `schema`; features without one, and latency, are not watched."""
    watched = [i for i, bins in enumerate(schema.bins) if any(bins.counts)]
    joined = [_join(np.array(schema.bins[i].counts)) for i in watched]
    width = max((len(rows) for _, rows in joined), default=1)
    shares, n_ref = np.zeros((len(watched), width)), np.zeros(len(watched))
    group_of_slot = np.full(schema.offsets[-1], shares.size, np.int64)
    for place, (i, (groups, rows)) in enumerate(zip(watched, joined, strict=True)):
        shares[place, : len(rows)] = (rows + 0.5) / (rows.sum() + 0.5 * len(rows))
        n_ref[place] = rows.sum()
        group_of_slot[schema.offsets[i] : schema.offsets[i + 1]] = place * width + groups
    counts = np.array([len(rows) for _, rows in joined], np.int64)
    with np.errstate(divide="ignore"):
        log_shares = np.where(shares > 0, np.log(shares), 0.0)
    return Baseline(
        names=tuple(schema.features[i].name for i in watched),
        kinds=tuple(schema.features[i].kind for i in watched),
        shares=shares,
        log_shares=log_shares,
        margins=MARGIN_NATS
        + _reference_variance(n_ref) / 2 * _chi_square(counts - 1, MARGIN_LEVEL / max(1, len(watched))),
        n_ref=n_ref,
        groups=counts,
        group_of_slot=group_of_slot,
    )


def fresh(baseline: Baseline) -> State:
    """A detector that has seen nothing."""
    tracks = (len(WEIGHTS), len(baseline.names))
    recent = np.zeros((*tracks, baseline.shares.shape[1]))
    return State(recent, np.full(tracks, -np.inf), np.zeros(tracks), np.zeros(tracks))


def step(state: State, baseline: Baseline, counts: Floats, start: float, rows: int) -> State:
    """Take in one pane: `counts` (features, groups) of `rows` rows that began at `start`."""
    weight = np.array(WEIGHTS)[:, None, None]
    total = state.recent.sum(axis=2, keepdims=True)
    alternative = (PRIOR_ROWS * baseline.shares + state.recent) / (PRIOR_ROWS + total)
    ratio = np.log(np.where(baseline.shares > 0, alternative, 1.0)) - baseline.log_shares
    gain = (counts * ratio).sum(axis=2) - baseline.margins * rows
    log_values = np.minimum(EVIDENCE_CAP, np.logaddexp(0, state.log_values) + gain)
    is_floor = (log_values <= 0) | (state.panes == 0)
    return State(
        recent=(1 - weight) * state.recent + counts,
        log_values=log_values,
        since=np.where(is_floor, start, state.since),
        rows_since=np.where(is_floor, 0, state.rows_since) + rows,
        panes=state.panes + 1,
        rows=state.rows + rows,
    )


def feature_evidence(state: State) -> Floats:
    """ln of the mean over a feature's tracks."""
    return np.asarray(_log_mean_exp(state.log_values, axis=0))


def evidence(state: State) -> float:
    """ln of the mean over all tracks and features: the detector's one value, to hold against THRESHOLD."""
    return float(_log_mean_exp(state.log_values.reshape(-1), axis=0)) if state.log_values.size else -math.inf


def winning_tracks(state: State) -> npt.NDArray[np.int64]:
    """For each feature, the track with the most evidence."""
    return np.asarray(state.log_values.argmax(axis=0))


def of_winners(state: State, values: Floats) -> Floats:
    """Of `values` (tracks, features[, groups]), those of each feature's winning track."""
    return np.asarray(values[winning_tracks(state), np.arange(values.shape[1])])


def effects(baseline: Baseline, counts: Floats, *, caution: float = 0.0) -> Floats:
    """Total variation between `counts` (..., features, groups) and the reference, freed of what sampling adds.

    Two samples of one truth differ: by about √(groups · v / 2π), v = 6/n_ref + 1/rows, with the finite world of
    the margin. Noise and drift add up in squares, so the noise is taken off in squares. `caution`/√rows is taken
    off first (about 3 standard deviations at 1), where single devices are judged by few rows.
    """
    rows = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = 0.5 * np.abs(counts / rows[..., None] - baseline.shares).sum(axis=-1) - caution / np.sqrt(rows)
        noise = baseline.groups * (_reference_variance(baseline.n_ref) + 1 / rows) / (2 * math.pi)
        freed = np.sqrt(np.maximum(0.0, np.maximum(0.0, apart) ** 2 - noise))
    return np.where(rows > 0, freed, 0.0)


def encode_state(state: State) -> bytes:
    """The state as it is stored."""
    arrays = [state.recent, state.log_values, state.since, state.rows_since]
    saved = _Saved(shape=state.recent.shape, arrays=[a.tobytes() for a in arrays], panes=state.panes, rows=state.rows)
    return msgspec.msgpack.encode(saved)


def decode_state(data: bytes, baseline: Baseline) -> State:
    """The stored state; a fresh one where what is stored does not fit `baseline`."""
    if not data:
        return fresh(baseline)
    saved = msgspec.msgpack.decode(data, type=_Saved)
    shape = (len(WEIGHTS), *baseline.shares.shape)
    if saved.shape != shape:
        return fresh(baseline)
    recent, log_values, since, rows_since = map(np.frombuffer, saved.arrays)
    return State(
        recent=recent.reshape(shape),
        log_values=log_values.reshape(shape[:2]),
        since=since.reshape(shape[:2]),
        rows_since=rows_since.reshape(shape[:2]),
        panes=saved.panes,
        rows=saved.rows,
    )


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    shape: tuple[int, ...]
    arrays: list[bytes]
    panes: int
    rows: int


def _join(counts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The group of each slot, and the rows in each group. 'Missing' (the last slot) stays alone."""
    groups, rows = np.zeros(len(counts), np.int64), [0]
    left = int(counts[:-1].sum())
    for slot, count in enumerate(counts[:-1].tolist()):
        if rows[-1] >= MIN_GROUP_ROWS and left >= MIN_GROUP_ROWS:
            rows.append(0)
        groups[slot] = len(rows) - 1
        rows[-1] += count
        left -= count
    groups[-1] = len(rows)
    return groups, np.array([*rows, counts[-1]], np.int64)


def _reference_variance(n_ref: Floats) -> Floats:
    """What sampling the reference, and a finite world, add to the variance of a share p, over p(1 − p)."""
    return (1 + 1 / WORLD_SHARE) / np.maximum(n_ref, 1)


def _chi_square(freedom: npt.NDArray[np.int64], level: float) -> Floats:
    """The quantile of χ² that is exceeded with probability `level` (Wilson and Hilferty, 1931)."""
    degrees = np.maximum(freedom, 1).astype(np.float64)
    normal = NormalDist().inv_cdf(1 - level)
    spread = 2 / (9 * degrees)
    return np.asarray(degrees * (1 - spread + normal * np.sqrt(spread)) ** 3)


def _log_mean_exp(values: Floats, axis: int) -> Any:
    top = values.max(axis=axis, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return (safe + np.log(np.exp(values - safe).mean(axis=axis, keepdims=True))).squeeze(axis)
