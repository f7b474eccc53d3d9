"""Label shift: does the model answer other classes, scores or values than on the hold-out?

The multinomial e-detector watches the outputs. Where the reference's confusion matrix is known, black-box shift
estimation (Lipton, Wang & Smola 2018) says which *true* classes became more or less frequent: with C[i, j] the hold-
out's joint share of predicted i and true j, and μ the live shares of predicted classes, the weights w = C⁻¹μ say how
many times as frequent each class is now. It holds where the classes look as before and only their mix changed. The
inverse is taken with a ridge, and weights below 0 are 0. The predicted class tells the total variation of the
estimated mix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgewright.contract.api import AlertKind
from edgewright.contract.profile import Measure
from edgewright.hub.observe.detectors.baseline import Baseline, Floats
from edgewright.hub.observe.detectors.drift import multinomial
from edgewright.hub.observe.detectors.drift.effects import TOLERANCE
from edgewright.hub.observe.detectors.evidence import finding
from edgewright.hub.observe.detectors.model import Against, Change, Finding, Pane, Reads
from edgewright.hub.observe.detectors.saving import Packed

RIDGE = 1e-3
CLASSES_TOLD = 3
REMEMBERED = 1 - 1 / 10


@dataclass(frozen=True)
class State:
    """The e-detector's state, and the newest counts of the predicted classes (classes,)."""

    drift: multinomial.State
    classes: Floats


class LabelShift(Packed[State]):
    """Watches every output that has a reference; alarms with a total variation over `tolerance`."""

    kind = AlertKind.LABEL_SHIFT
    reads = frozenset({Reads.COUNTS})
    is_advice = False

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self._tolerance = tolerance

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """All outputs with rows of the hold-out."""
        return baseline.outputs.names

    def fresh(self, baseline: Baseline) -> State:
        """Nothing seen."""
        return State(multinomial.fresh(baseline.outputs), np.zeros(len(_class_slots(baseline))))

    def step(self, state: State, baseline: Baseline, pane: Pane) -> State:
        """One pane more."""
        classes = np.maximum(pane.counts[_class_slots(baseline)], 0.0)
        drift = multinomial.step(state.drift, baseline.outputs, pane)
        return State(drift, REMEMBERED * state.classes + classes)

    def judge(self, state: State, baseline: Baseline) -> Finding:
        """One change an output; that of the predicted class tells which true classes it takes for more frequent."""
        against = multinomial.compared_with(state.drift.is_seasonal, Against.HOLD_OUT)
        changes = multinomial.changes(state.drift, baseline.outputs, self._tolerance, Against.HOLD_OUT)
        predicted = {one.name for one in baseline.schema.features if one.measure is Measure.PREDICTED}
        told = [_explained(one, state, baseline) if one.feature in predicted else one for one in changes]
        return finding(self.kind, against, told)


def estimated_mix(confusion: Floats, predicted: Floats) -> Floats | None:
    """The shares of the true classes, from counts of predicted ones; None where they cannot be told apart.

    `confusion` (labels, predicted) counts the hold-out's rows, `predicted` (classes,) live ones.
    """
    if confusion.shape != (len(predicted), len(predicted)) or not predicted.sum() or not confusion.sum():
        return None
    joint = confusion.T / confusion.sum()
    shares = predicted / predicted.sum()
    size = RIDGE * float(np.trace(joint.T @ joint)) / len(shares)
    if np.linalg.matrix_rank(joint) < len(shares):
        return None
    # towards weights of 1: no change
    weights = 1 + np.linalg.solve(joint.T @ joint + size * np.eye(len(shares)), joint.T @ (shares - joint.sum(axis=1)))
    mix = np.maximum(0.0, weights) * joint.sum(axis=0)
    return np.asarray(mix / mix.sum()) if mix.sum() > 0 else None


def _explained(change: Change, state: State, baseline: Baseline) -> Change:
    confusion = baseline.hold_out.confusion
    mix = None if confusion is None else estimated_mix(confusion, state.classes)
    if confusion is None or mix is None:
        return change
    before = confusion.sum(axis=1) / confusion.sum()
    order = np.argsort(-np.abs(mix - before))[:CLASSES_TOLD].tolist()
    detail = ", ".join(f"class {i}: {before[i]:.0%} to {mix[i]:.0%}" for i in order)
    effect = max(change.effect, 0.5 * float(np.abs(mix - before).sum())) if change.is_large else change.effect
    return replace(change, effect=effect, detail=f"estimated true mix: {detail}")


def _class_slots(baseline: Baseline) -> np.ndarray:
    """The slots of the predicted classes, in the order of their numbers; none where some classes share a slot."""
    schema = baseline.schema
    for place, feature in enumerate(schema.features):
        bins = schema.bins[place]
        if feature.measure is Measure.PREDICTED and bins.classes == tuple(range(len(bins.classes))):
            return np.arange(schema.offsets[place], schema.offsets[place] + len(bins.classes))
    return np.zeros(0, np.int64)
