"""Which recipes are tried for which model and target."""

from __future__ import annotations

import pytest

from edgewright.contract.tensors import Contract
from edgewright.hub.optimize.model import Precision
from edgewright.hub.optimize.recipes import recipes
from edgewright.hub.optimize.targets import target
from edgewright.hub.registry.inspect import SourceFacts

NETWORK = SourceFacts(
    contract=Contract(inputs=(), outputs=()),
    op_types=("MatMul",),
    parameters=10,
    is_network=True,
    is_forest=False,
    opset=21,
    ir_version=10,
)
FOREST = SourceFacts(
    contract=Contract(inputs=(), outputs=()),
    op_types=("TreeEnsembleClassifier",),
    parameters=10,
    is_network=False,
    is_forest=True,
    opset=21,
    ir_version=10,
)


def test_a_float_target_gets_a_clean_model_and_nothing_else():
    (recipe,) = recipes(target("cpu-fp32"), NETWORK)

    assert recipe.lines() == ("clean",)
    assert recipe.precision is Precision.FP32


def test_an_int8_target_tries_pruned_then_unpruned_then_float():
    found = recipes(target("cpu-int8"), NETWORK)

    assert [[step.name for step in recipe.steps] for recipe in found] == [
        ["clean", "prune", "static-int8"],
        ["clean", "static-int8"],
        ["clean"],
    ]
    assert [recipe.precision for recipe in found] == [Precision.INT8, Precision.INT8, Precision.FP32]


@pytest.mark.parametrize("target_id", ["cpu-int8", "x86-64-vnni", "raspberry-pi-5", "raspberry-pi-4"])
def test_a_forest_stays_float_and_says_why(target_id):
    (recipe,) = recipes(target(target_id), FOREST)

    assert recipe.precision is Precision.FP32
    assert recipe.reasons == ("a tree ensemble has no weights to quantise: kept fp32",)


def test_signedness_comes_from_the_target():
    recipe = recipes(target("cpu-int8"), NETWORK)[0]

    assert recipe.steps[-1].params == {"weights": "s8", "activations": "u8", "per_channel": True}
    assert str(recipe.steps[1]) == "prune ratio=0.2"
