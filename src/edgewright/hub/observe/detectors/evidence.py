"""Evidence in one unit for all detectors, so that it can be compared and counted over all that is watched.

The unit: evidence is the natural logarithm of the minutes that one would have to watch until chance alone shows as
much. An alarm takes more than chance shows in 30 days (THRESHOLD). Two kinds of statistics speak it:

- An e-detector's value M with E[M] <= minutes watched, M ← (M + minutes of the pane) · Λ: evidence is ln M. On average
  a false alarm takes at least 30 days, however often one looks (Shin, Ramdas & Rinaldo, E-detectors, 2022; there
  M ← (M + 1) · Λ counts panes, and here each pane counts for the minutes that it covers).
- A test's p-value on a window that is judged once: evidence is ln(minutes of the window / p). Over windows, the
  expected number of false alarms in 30 days is the sum of minutes / (30 days), which is one.

Many at once. Of `watched` quantities the k most evident alarm where the k-th one has THRESHOLD + ln(watched / k):
Benjamini & Hochberg (1995) for p-values, e-BH (Wang & Ramdas, 2022) for e-values, which holds under any dependence;
over e-detectors at every time, Dandapanthula & Ramdas (2025). So a hub that watches 10 000 quantities tells no more
false alarms in 30 days than one that watches a single one, as long as nothing drifts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors.model import MOST_CHANGES, Against, Change, Finding, Floats, Pane

QUIET_DAYS = 30.0
THRESHOLD = math.log(QUIET_DAYS * 24 * 60)
"""10.67: what chance shows once in 30 days."""
MOST = THRESHOLD + 12.0
"""Evidence is capped, so that a drift that has passed is forgotten within a few panes."""
LEAST = -100.0
MIN_MINUTES = 1.0
MAX_MINUTES = 0.05 * QUIET_DAYS * 24 * 60
"""A pane counts as no more than a day and a half, or a month in one window would be an alarm by its length."""

Key = TypeVar("Key")


def minutes(pane: Pane) -> float:
    """How many minutes of watching a pane counts for."""
    return min(max((pane.end - pane.start) / 60, MIN_MINUTES), MAX_MINUTES)


def grow(log_values: Floats, gain: Floats, minutes: float) -> Floats:
    """ln M of an e-detector one pane on: M ← (M + minutes) · e^gain."""
    return np.clip(np.logaddexp(math.log(minutes), log_values) + gain, 2 * LEAST, MOST)


def climb(climbs: Floats, gain: Floats) -> Floats:
    """The gains since they were last in vain (Page's CUSUM, 1954) one pane on.

    Where `climbs` were at most 0 the pane begins a new climb: the likeliest moment of a change, since when the sums
    that explain it run.
    """
    return np.minimum(np.maximum(climbs, 0.0) + gain, MOST)


def of_p_values(p: Floats, minutes: float) -> Floats:
    """The evidence of p-values of a window that took so many minutes, judged once."""
    return capped(math.log(minutes) - np.log(np.maximum(p, 1e-300)))


def capped(evidence: Floats) -> Floats:
    """`evidence` between LEAST and MOST."""
    return np.clip(np.nan_to_num(evidence, nan=LEAST), LEAST, MOST)


def finding(kind: AlertKind, against: Against, changes: Iterable[Change], watched: int | None = None) -> Finding:
    """A finding of `changes`, put in order and judged by themselves. `watched` says how many there are in all."""
    ordered = sorted(changes, key=lambda one: (-int(one.is_large), -round(one.evidence, 1), -one.effect))
    total = len(ordered) if watched is None else watched
    alarmed = alarming(ordered, total)
    taken = {id(change) for change in alarmed}
    compared = next((change.against for change in alarmed), None) or against
    rest = [change for change in ordered if id(change) not in taken]
    return Finding(kind, compared, (*alarmed, *rest)[:MOST_CHANGES], total, alarmed)


def alarming(changes: Sequence[Change], watched: int) -> tuple[Change, ...]:
    """Those of `changes` that alarm among `watched`: large, and enough evidence for their place in the order."""
    large = sorted((change for change in changes if change.is_large), key=lambda change: -change.evidence)
    bars = [THRESHOLD + math.log(max(1, watched) / place) for place in range(1, len(large) + 1)]
    last = max((i for i, change in enumerate(large, 1) if change.evidence >= bars[i - 1]), default=0)
    return tuple(large[:last])


def over_all(findings: Mapping[Key, Finding]) -> dict[Key, Finding]:
    """The findings of all detectors on all segments, with the alarms that are left when they are judged together."""
    watched = sum(one.watched for one in findings.values())
    alarmed = {id(change) for change in alarming([c for one in findings.values() for c in one.changes], watched)}
    return {
        key: replace(one, alarmed=tuple(change for change in one.changes if id(change) in alarmed))
        for key, one in findings.items()
    }
