"""Per-group performance and bias: differences of error and selection rates, with intervals that hold when peeked at.

For every attribute that answers carry (site, skin tone, …) and every value of it, the labelled answers of that group
are held against those of all others: the share that is wrong, and the share that is predicted as each class. The
difference of two means has the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024,
eq. 9): it covers the true difference at all times at once, so that one may look after every label. Evidence is that of
the mixture martingale behind it, which chance brings to 20 once in twenty lives of a model; the sequence is its 95 %
one. A group of fewer than 50 answers is not judged. Answers count that were chosen evenly, or all where none were.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.errors import HostileInput
from edgewright.hub.observe.detectors.baseline import Baseline
from edgewright.hub.observe.detectors.evidence import LEAST, MOST, THRESHOLD, finding
from edgewright.hub.observe.detectors.model import Against, Answers, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import MAX_STATE_BYTES

TOLERANCE_POINTS = 0.1
LEVEL = 0.05
LEAST_ANSWERS = 50
MOST_GROUPS = 200
MOST_CLASSES = 20
MOST_CHARS = 200
TUNED_TO = 500.0
"""Answers at which the interval is tightest."""


class Tally(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one value of one attribute: answers, wrong ones, and how many were predicted as each of the first classes."""

    attribute: str
    value: str
    answers: int
    wrong: int
    selected: tuple[int, ...]
    since: float


@dataclass(frozen=True)
class Interval:
    """A difference of two rates, and between what it lies, at all times at once."""

    difference: float
    low: float
    high: float
    log_e: float
    """ln of the mixture martingale against 'no difference'."""


State = tuple[Tally, ...]


class GroupBias:
    """Watches groups; alarms where rates differ surely by `tolerance` or more."""

    kind = AlertKind.BIAS
    reads = frozenset({Reads.ANSWERS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE_POINTS) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """Errors and selections; which groups there are is seen in the answers."""
        return ("errors", "selections")

    def fresh(self, baseline: Baseline) -> State:
        """No answer seen."""
        return ()

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """The pane's labelled answers."""
        if pane.answers is None:
            return state
        tallies = {(one.attribute, one.value): one for one in state}
        for attribute, values in pane.answers.groups.items():
            _add(tallies, attribute, values, pane.answers, pane.start)
        return tuple(tallies[key] for key in sorted(tallies))

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """Every group against the others of its attribute, by errors and by the class that differs most."""
        changes = [
            change
            for attribute in sorted({one.attribute for one in state})
            for change in self._of([one for one in state if one.attribute == attribute])
        ]
        return finding(self.kind, Against.OTHER_GROUPS, changes, max(len(changes), 1))

    def encode(self, state: State) -> bytes:
        """The tallies."""
        return msgspec.msgpack.encode(state)

    def decode(self, data: bytes, baseline: Baseline) -> State:
        """Raises HostileInput unless the tallies add up."""
        return _decoded(data) if data else ()

    def _of(self, tallies: Sequence[Tally]) -> list[Change]:
        total = _together(tallies)
        found = []
        for one in tallies:
            rest = _less(total, one)
            if min(one.answers, rest.answers) < LEAST_ANSWERS:
                continue
            found.append(self._change(one, rest, "errors", one.wrong, rest.wrong))
            shares = [a / one.answers - b / rest.answers for a, b in zip(one.selected, rest.selected, strict=True)]
            most = int(np.argmax(np.abs(shares)))
            name = f"predicted as class {most}"
            found.append(self._change(one, rest, name, one.selected[most], rest.selected[most]))
        return found

    def _change(self, one: Tally, rest: Tally, name: str, own: int, others: int) -> Change:
        found = difference(own, one.answers, others, rest.answers)
        looks = len(one.selected) if name != "errors" else 1  # the class was picked out of so many
        sure = THRESHOLD + math.log(LEVEL) + found.log_e - math.log(looks)
        away = abs(found.difference)
        return Change(
            feature=name,
            effect=away,
            measure="difference of rates",
            tolerance=self._tolerance,
            evidence=min(MOST, max(LEAST, sure)),
            direction="higher" if found.difference > 0 else "lower",
            since=one.since,
            rows=one.answers,
            expected=others / rest.answers,
            seen=own / one.answers,
            group=f"{one.attribute}={one.value}",
            detail=f"the difference is between {found.low:+.3f} and {found.high:+.3f}",
        )


def difference(own: int, answers: int, others: int, rest: int, level: float = LEVEL) -> Interval:
    """By how much `own` of `answers` is more than `others` of `rest`, with a confidence sequence of 1 − `level`.

    With V the variance of the difference and T = 1/V, ρ² tuned to TUNED_TO answers: it lies within
    √((T·ρ² + 1)/(T²·ρ²) · ln((T·ρ² + 1)/level²)), and the martingale is e^(ρ²·S²/(2(T·ρ² + 1)))/√(T·ρ² + 1), where
    S = T · difference.
    """
    a, b = (own + 1) / (answers + 2), (others + 1) / (rest + 2)  # never 0 or 1: no variance of 0
    variance = a * (1 - a) / answers + b * (1 - b) / rest
    away = own / answers - others / rest
    time = 1 / variance
    log_level = -2 * math.log(level)
    rho = (log_level + math.log(1 + log_level)) * variance * min(answers, rest) / TUNED_TO
    scaled = time * rho + 1
    width = math.sqrt(scaled / (time**2 * rho) * (math.log(scaled) + log_level))
    log_e = rho * (time * away) ** 2 / (2 * scaled) - math.log(scaled) / 2
    return Interval(away, away - width, away + width, log_e)


def _add(
    tallies: dict[tuple[str, str], Tally], attribute: str, values: Sequence[str], answers: Answers, start: float
) -> None:
    counted = answers.is_even if answers.is_even.any() else np.ones(len(answers), np.bool_)
    named = np.array(values, dtype=object)
    for value in sorted({one for one in values if one}):
        key = (attribute[:MOST_CHARS], value[:MOST_CHARS])
        if key not in tallies and sum(one[0] == key[0] for one in tallies) >= MOST_GROUPS:
            key = (key[0], f"other {hashlib.sha256(value.encode()).hexdigest()[:1]}")
        mine = counted & (named == value)
        classes = np.clip(answers.predicted[mine], 0, MOST_CLASSES - 1).astype(np.int64)
        old = tallies.get(key) or Tally(*key, 0, 0, (0,) * MOST_CLASSES, start)
        selected = np.bincount(classes, minlength=MOST_CLASSES) + np.array(old.selected)
        tallies[key] = Tally(
            *key,
            old.answers + int(mine.sum()),
            old.wrong + int(answers.is_wrong[mine].sum()),
            tuple(selected.tolist()),
            old.since,
        )


def _together(tallies: Sequence[Tally]) -> Tally:
    selected = np.array([one.selected for one in tallies]).sum(axis=0)
    answers, wrong = sum(one.answers for one in tallies), sum(one.wrong for one in tallies)
    return Tally("", "", answers, wrong, tuple(selected.tolist()), 0.0)


def _less(total: Tally, one: Tally) -> Tally:
    selected = tuple(a - b for a, b in zip(total.selected, one.selected, strict=True))
    return Tally("", "", total.answers - one.answers, total.wrong - one.wrong, selected, 0.0)


def _decoded(data: bytes) -> State:
    if len(data) > MAX_STATE_BYTES:
        raise HostileInput(f"a detector's state has at most {MAX_STATE_BYTES} bytes", field="state")
    try:
        state = msgspec.msgpack.decode(data, type=tuple[Tally, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a detector's state: {error}", field="state") from error
    for one in state:
        fits = len(one.selected) == MOST_CLASSES and all(0 <= count <= one.answers for count in one.selected)
        if not fits or not 0 <= one.wrong <= one.answers < 2**53 or not math.isfinite(one.since):
            raise HostileInput(f"the tally of '{one.attribute[:80]}' does not add up", field="state")
    return state
