"""Which recipes to try on a model for a target, and why. Pure."""

from __future__ import annotations

from edgewright.hub.optimize.model import Precision, Recipe, StepPlan
from edgewright.hub.optimize.targets import Target
from edgewright.hub.registry.inspect import SourceFacts

PRUNE_RATIO = 0.2

CLEAN = StepPlan(name="clean")


def recipes(target: Target, facts: SourceFacts) -> tuple[Recipe, ...]:
    """The recipes to try, best first: the first whose parity holds is taken. The last one changes no number."""
    if target.precision is Precision.FP32 or target.quantisation is None:
        return (_fp32(f"target {target.id} keeps float32"),)
    if facts.is_forest and not facts.is_network:
        return (_fp32("a tree ensemble has no weights to quantise: kept fp32"),)
    if not facts.is_network:
        return (_fp32("the model multiplies by no weights, so there is nothing to quantise: kept fp32"),)
    prune = StepPlan(name="prune", params={"ratio": PRUNE_RATIO})
    quantise = StepPlan(
        name="static-int8",
        params={
            "weights": target.quantisation.weights,
            "activations": target.quantisation.activations,
            "per_channel": True,
        },
    )
    why_int8 = (
        f"target {target.id} computes in int8: weights {target.quantisation.weights} per channel, "
        f"activations {target.quantisation.activations}"
    )
    why_prune = f"the smallest {PRUNE_RATIO:.0%} of the weights go: they compress to almost nothing on the way"
    return (
        Recipe(steps=(CLEAN, prune, quantise), precision=Precision.INT8, reasons=(why_prune, why_int8)),
        Recipe(steps=(CLEAN, quantise), precision=Precision.INT8, reasons=("left unpruned", why_int8)),
        _fp32("kept fp32"),
    )


def _fp32(reason: str) -> Recipe:
    return Recipe(steps=(CLEAN,), precision=Precision.FP32, reasons=(reason,))
