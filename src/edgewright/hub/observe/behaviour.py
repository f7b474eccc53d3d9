"""How versions behave on devices: requests, failures and low scores, by device and quarter of an hour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import sqlalchemy as sa

from edgewright.contract import arrays
from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import FeatureKind, Measure, Profile, Schema
from edgewright.contract.profile.schema import FeatureBins
from edgewright.contract.report import Sample
from edgewright.contract.tensors import Contract, Kind, TensorSpec
from edgewright.hub.observe import table
from edgewright.hub.rollout.gates import Counted

SPAN_S = 900.0
LOW_SHARE = 0.1
"""Of the reference's scores: a request whose score is among so many lowest ones is unsure."""
KEPT_SPANS = 8 * 96
MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Answers:
    """What one window says of its requests. `scores` is the sum of `scored` answers' scores."""

    rows: int
    failed: int
    unsure: int
    scored: int
    scores: float


def answers_of(profile: Profile) -> Answers:
    """How many requests got no answer (its first profiled output is missing), a low score, and what they scored."""
    schema = profile.schema
    outputs = [place for place, bins in enumerate(schema.bins) if _is_output(bins)]
    if not outputs:
        return Answers(profile.rows, 0, 0, 0, 0.0)
    failed = int(_counts(profile, schema, outputs[0])[-1])
    scores = [place for place in outputs if schema.bins[place].feature.measure is Measure.SCORE]
    if not scores:
        return Answers(profile.rows, failed, 0, 0, 0.0)
    bins, counts = schema.bins[scores[0]], _counts(profile, schema, scores[0])[:-1]
    unsure = int(counts[: _low_bins(bins)].sum())
    return Answers(profile.rows, failed, unsure, int(counts.sum()), float(counts @ _middles(bins)))


def together(several: Sequence[Answers]) -> Answers:
    """What several windows say as one."""
    return Answers(*(sum(getattr(one, field.name) for one in several) for field in fields(Answers)))


def add(connection: sa.Connection, device: str, model: str, version: int, span: int, answers: Answers) -> None:
    """Add windows to what is known of their device; the caller adds each window once, in its own transaction."""
    of = table.behaviour.c
    key = {"model": model, "version": version, "device": device, "span": span}
    values = {"rows": answers.rows, "failed": answers.failed, "unsure": answers.unsure, "scored": answers.scored}
    more = {name: of[name] + value for name, value in values.items()} | {"scores": of.scores + answers.scores}
    where = [of[name] == value for name, value in key.items()]
    if connection.execute(sa.update(table.behaviour).where(*where).values(more)).rowcount == 0:
        connection.execute(sa.insert(table.behaviour).values(**key, **values, scores=answers.scores))
        old = sa.delete(table.behaviour).where(of.model == model, of.device == device)
        connection.execute(old.where(of.span < span - KEPT_SPANS))


def span_of(at: float) -> int:
    """The number of the quarter of an hour in which `at` lies."""
    return math.floor(at / SPAN_S)


def served(
    connection: sa.Connection,
    model: str,
    devices: Sequence[str],
    since: float,
    until: float,
    *,
    version: int = 0,
    not_version: int = 0,
) -> Mapping[str, Counted]:
    """What each device answered in the whole spans from `since` to `until`; see the rollout room's Behaviour."""
    of = table.behaviour.c
    totals = [sa.func.sum(of[name]).label(name) for name in ("rows", "failed", "unsure", "scored", "scores")]
    first, last = math.ceil(since / SPAN_S), span_of(until)
    if version:  # what the new version answered came after the switch whatever the span
        first = span_of(since)
    query = sa.select(of.device, *totals).where(of.model == model, of.span >= first)
    query = query.where(of.span < last) if not version else query
    query = query.where(of.version == version) if version else query.where(of.version != not_version)
    found: dict[str, Counted] = {}
    for start in range(0, len(devices), MOST_AT_ONCE):
        some = query.where(of.device.in_(devices[start : start + MOST_AT_ONCE])).group_by(of.device)
        found |= {row.device: _counted(row) for row in connection.execute(some)}
    return found


def predicted(contract: Contract, sample: Sample) -> int | None:
    """Which class a sample's answer chose; None for a model that chooses none, or an answer that cannot be read."""
    label, scores = contract.output_of(Kind.LABEL), contract.output_of(Kind.SCORES)
    answer = _answer(sample, label or scores)
    if answer is None:
        return None
    chosen = float(answer.ravel()[0]) if label else float(np.argmax(answer))
    return int(chosen) if 0 <= chosen < 2**31 else None


def scored(contract: Contract, sample: Sample) -> float | None:
    """How sure a sample's answer is: its highest score, as profiles count it; None where that cannot be read."""
    answer = _answer(sample, contract.output_of(Kind.SCORES))
    highest = math.nan if answer is None else float(np.max(answer))
    return highest if math.isfinite(highest) else None


def _answer(sample: Sample, wanted: TensorSpec | None) -> np.ndarray | None:
    """The numbers that a sample's answer has for that output, one or more; None where they cannot be read."""
    try:
        answer = arrays.decode(sample.outputs, "a sample's outputs").get(wanted.name) if wanted else None
    except HostileInput:
        return None
    return None if answer is None or answer.size == 0 or answer.dtype.kind not in "iuf" else answer


def _counted(row: sa.Row[tuple[str, int, int, int, int, float]]) -> Counted:
    right = max(0.0, float(row.scores)) if row.scored > 0 else None  # noise may have brought a sum below zero
    failed, unsure = max(0, int(row.failed)), max(0, int(row.unsure))
    return Counted(rows=int(row.rows), failed=failed, unsure=unsure, estimated_right=right)


def _is_output(bins: FeatureBins) -> bool:
    return not bins.feature.is_input and bins.feature.kind in (FeatureKind.NUMERIC, FeatureKind.CATEGORICAL)


def _counts(profile: Profile, schema: Schema, place: int) -> np.ndarray:
    return profile.counts[schema.offsets[place] : schema.offsets[place + 1]]


def _low_bins(bins: FeatureBins) -> int:
    """How many of the lowest bins hold at most `LOW_SHARE` of the reference; 0 without one."""
    known = np.array(bins.counts[:-1], np.float64)
    if not known.sum():
        return 0
    return int(np.searchsorted(known.cumsum() / known.sum(), LOW_SHARE, side="right"))


def _middles(bins: FeatureBins) -> np.ndarray:
    edges = np.array((bins.edges[0], *bins.edges, bins.edges[-1]) if bins.edges else (0.5, 0.5), np.float64)
    return np.clip((edges[:-1] + edges[1:]) / 2, 0.0, 1.0)
