"""Which recipes are tried, what a family's history and a budget leave of them, and how recipes are written."""

from __future__ import annotations

import pytest

from edgewright.contract.api import ModelFormat, TrialState
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.tensors import Contract
from edgewright.hub.optimize.model import Precision, StepPlan, loosest
from edgewright.hub.optimize.search.budget import TRAINING_S, expected_s, shortage
from edgewright.hub.optimize.search.candidates import Candidate, Choice, asked_for, choose
from edgewright.hub.optimize.search.history import learn
from edgewright.hub.optimize.search.recipe import parse
from edgewright.hub.optimize.steps import About, params_of
from edgewright.hub.optimize.steps.shelf import Shelf
from edgewright.hub.optimize.studying import BATCH, batches
from edgewright.hub.optimize.targets import target
from edgewright.hub.registry.inspect import SourceFacts
from scenes.trials import study, trial

STATIC = "static-int8 activations=u8 per_channel=true weights=s8"
ABOUTS = {
    "clean": About(summary=""),
    "static-int8": About(summary="", precision=Precision.INT8),
    "dynamic-int8": About(summary="", precision=Precision.INT8),
    "prune": About(summary="", precision=Precision.INT8),
    "distill": About(summary="", precision=Precision.INT8, is_training=True),
    "tensorrt": About(summary="", precision=Precision.INT8),
    "litert": About(summary="", gives=ModelFormat.TFLITE),
    "vela": About(summary="", takes=ModelFormat.TFLITE, gives=ModelFormat.TFLITE, is_opaque=True),
}
NO_TORCH = "step distill needs torch, which is not installed (the extra torch brings it)"
SHELF = Shelf(ABOUTS, {"distill": NO_TORCH}, params_of)


def facts(*op_types: str, is_network: bool = True) -> SourceFacts:
    return SourceFacts(
        contract=Contract(inputs=(), outputs=()),
        op_types=op_types,
        parameters=10,
        is_network=is_network,
        is_forest=not is_network,
        opset=21,
        ir_version=10,
    )


def chosen(target_id: str, found: SourceFacts, shelf: Shelf = SHELF) -> Choice:
    return choose(target(target_id), found, ModelFormat.ONNX, shelf, has_labels=True)


def recipes(choice: Choice) -> list[str]:
    return [" → ".join(candidate.recipe) for candidate in choice.tries]


def test_a_float_target_gets_a_clean_model_and_nothing_else():
    assert recipes(chosen("cpu-fp32", facts("MatMul"))) == ["clean"]


def test_an_int8_target_gets_its_own_signedness_first():
    found = recipes(chosen("cpu-int8", facts("Conv", "Relu")))

    assert found[:2] == ["clean", f"clean → {STATIC}"]
    assert f"clean → prune ratio=0.2 → {STATIC}" in found


@pytest.mark.parametrize("target_id", ["cpu-int8", "raspberry-pi-4", "x86-64-vnni"])
def test_a_recipe_that_two_ideas_come_to_is_tried_once(target_id):
    found = recipes(chosen(target_id, facts("Conv")))

    assert len(found) == len(set(found))


def test_dynamic_int8_is_for_dense_models_and_convolutions_are_told_why_not():
    dense, convolutional = chosen("cpu-int8", facts("MatMul")), chosen("cpu-int8", facts("Conv"))

    assert "clean → dynamic-int8" in recipes(dense)
    why = {" → ".join(one.recipe): one.why for one in convolutional.skipped}
    assert "several times slower" in why["clean → dynamic-int8"]


def test_a_forest_is_only_cleaned_and_told_why():
    found = chosen("cpu-int8", facts("TreeEnsembleClassifier", is_network=False))

    assert recipes(found) == ["clean"]
    assert any("nothing to quantise" in one.why for one in found.skipped)


def test_a_step_whose_tools_are_missing_is_skipped_with_the_reason():
    why = [one.why for one in chosen("cpu-int8", facts("Conv")).skipped if one.recipe[0] == "distill"]

    assert set(why) == {NO_TORCH}


def test_a_target_of_tflite_gets_conversions_and_an_accelerator_its_own_program():
    plain, beside = chosen("stm32f446", facts("Conv")), chosen("ethos-u55-128", facts("Conv"))

    assert next(one for one in recipes(plain) if "litert" in one) == "clean → litert precision=int8"
    assert recipes(beside) == [
        "clean → litert precision=int8 → vela accelerator=ethos-u55-128 memory_mode=Shared_Sram "
        "system_config=Ethos_U55_High_End_Embedded"
    ]


@pytest.mark.parametrize(
    ("target_id", "tries"),
    [
        ("stm32f446", []),
        (
            "ethos-u55-128",
            ["vela accelerator=ethos-u55-128 memory_mode=Shared_Sram system_config=Ethos_U55_High_End_Embedded"],
        ),
    ],
)
def test_a_source_in_tflite_stays_as_it_is_or_gets_a_program_and_no_word_of_other_steps(target_id, tries):
    found = choose(target(target_id), facts(), ModelFormat.TFLITE, SHELF, has_labels=True)

    assert recipes(found) == tries
    assert found.skipped == ()


def test_a_target_with_tensorrt_gets_its_own_step_and_no_integer_biases():
    found = recipes(chosen("jetson-orin-nano-tensorrt", facts("Conv")))

    assert "clean → tensorrt" in found
    assert not any("static-int8" in recipe for recipe in found)


def test_recipes_that_somebody_wrote_are_tried_in_their_order():
    found = asked_for((f"clean -> {STATIC}", "clean"), target("cpu-int8"), ModelFormat.ONNX, SHELF)

    assert recipes(found) == [f"clean → {STATIC}", "clean"]


def test_a_recipe_that_leaves_another_format_than_the_target_runs_is_refused():
    with pytest.raises(InvalidInput, match="it leaves tflite, and cpu-int8 runs onnx"):
        asked_for(("clean → litert",), target("cpu-int8"), ModelFormat.ONNX, SHELF)


def test_a_recipe_is_read_with_arrows_of_both_kinds_and_its_parameters_get_their_types():
    steps = parse("clean→ static-int8  per_channel=TRUE ->prune ratio=0.4", params_of)

    assert steps == (
        StepPlan(name="clean"),
        StepPlan(name="static-int8", params={"per_channel": True}),
        StepPlan(name="prune", params={"ratio": 0.4}),
    )
    assert [str(step) for step in steps] == ["clean", "static-int8 per_channel=true", "prune ratio=0.4"]


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("", "recipes", "names no step"),
        ("clean → → prune", "recipes", "a step is missing beside an arrow"),
        ("prune ratio=2", "recipe.prune", "ratio"),
        ("prune ratio", "recipe.prune", "'ratio' is no parameter"),
        ("prune ratio=0.1 ratio=0.2", "recipe.prune", "ratio is set twice"),
        ("prune size=2", "recipe.prune", "size"),
        (" → ".join(["clean"] * 13), "recipes", "at most 12 steps"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_by_step_and_parameter(text, field, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        parse(text, params_of)

    assert caught.value.field == field


def test_an_unknown_step_is_not_found():
    with pytest.raises(NotFound, match="there is no step 'shrink'"):
        parse("shrink", params_of)


def test_the_loosest_step_of_a_recipe_says_how_it_is_judged():
    assert loosest([]) is Precision.FP32
    assert loosest([Precision.FP32, Precision.HALF]) is Precision.HALF
    assert loosest([Precision.INT8, Precision.HALF]) is Precision.INT8


def candidates(*names: str) -> tuple[Candidate, ...]:
    return tuple(Candidate(steps=(StepPlan(name=name),), why="") for name in names)


def test_of_what_lost_on_an_earlier_version_nothing_is_tried_again():
    names = [f"s{number}" for number in range(12)]
    trials = [trial(f"t{number}", recipe=(name,)) for number, name in enumerate(names, 1)]
    trials[1] = trial("t2", recipe=("s1",), size=200, is_on_front=True)
    trials[2] = trial("t3", recipe=("s2",), state=TrialState.STRAYED)
    earlier = study(*trials, recommended="t2")

    lesson = learn(Choice(tries=candidates(*names, "new")), [earlier])

    assert [candidate.recipe for candidate in lesson.tries] == [("s1",), ("new",)]
    assert len(lesson.reserve) == 11
    why = {one.recipe: one.why for one in lesson.skipped}
    assert why[("s0",)] == "it lost on version 2 (t1 of optimize-1)"
    assert why[("s2",)].startswith("it strayed on version 2")
    assert "11 recipes were not tried again" in lesson.reasons[0]


def test_a_winner_that_took_longer_than_the_budget_gives_way_to_the_best_of_what_did_not():
    trials = [trial(f"t{number}", recipe=(f"s{number}",), size=1000 - 100 * number, seconds=5.0) for number in (1, 2)]
    winner = trial("t3", recipe=("s3",), size=50, seconds=90.0, is_on_front=True)
    earlier = study(*trials, winner, recommended="t3")

    lesson = learn(Choice(tries=candidates("s1", "s2", "s3")), [earlier], budget_s=40.0)

    assert [candidate.recipe for candidate in lesson.tries] == [("s2",)]
    assert lesson.skipped[-1].why == "it took 90 s on version 2 (t3 of optimize-1), more than there is now"


def test_what_a_grandparent_tried_and_the_parent_left_out_is_still_known():
    lost, won = trial("t1", recipe=("s1",)), trial("t2", recipe=("s2",), size=200, is_on_front=True)
    left_out = trial("t1", recipe=("s1",), state=TrialState.SKIPPED)
    family = [study(left_out, won, recommended="t2"), study(lost, won, recommended="t2")]

    lesson = learn(Choice(tries=candidates("s1", "s2")), family)

    assert [candidate.recipe for candidate in lesson.tries] == [("s2",)]


def test_what_failed_for_lack_of_time_is_tried_again_with_more():
    late, won = trial("t1", recipe=("s1",), state=TrialState.FAILED), trial("t2", recipe=("s2",), is_on_front=True)
    earlier = study(late, won, recommended="t2", budget_s=40.0)

    assert len(learn(Choice(tries=candidates("s1", "s2")), [earlier], budget_s=40.0).tries) == 1
    assert len(learn(Choice(tries=candidates("s1", "s2")), [earlier], budget_s=90.0).tries) == 2


def test_without_history_everything_is_tried():
    lesson = learn(Choice(tries=candidates("a", "b")), [])

    assert (len(lesson.tries), lesson.reserve, lesson.reasons) == (2, (), ())


def test_at_most_three_of_an_earlier_front_are_tried_again():
    names = [f"s{number}" for number in range(6)]
    trials = [
        trial(f"t{number}", recipe=(name,), size=100 * (6 - number), ms=0.1 * number, is_on_front=True)
        for number, name in enumerate(names, 1)
    ]

    lesson = learn(Choice(tries=candidates(*names)), [study(*trials, recommended="t3", chosen="t2")])

    assert {candidate.recipe[0] for candidate in lesson.tries} >= {"s1", "s2"}
    assert len(lesson.tries) == 3


def test_a_trial_is_started_only_if_its_like_would_fit_into_what_is_left():
    done = [trial("t1", recipe=("clean", "qat epochs=3"), seconds=40.0)]
    (qat,) = candidates("qat")
    qat = Candidate(steps=(StepPlan(name="clean"), StepPlan(name="qat", params={"epochs": 9})), why="")

    assert expected_s(qat, done, {}, trains=True) == 40.0
    assert expected_s(qat, [], {}, trains=True) == TRAINING_S
    assert expected_s(qat, done, {"clean → qat epochs=9": 90.0}, trains=True) == 90.0
    assert expected_s(*candidates("clean"), [], {}, trains=False) == 0.0
    assert shortage(39.0, 40.0) == "39 s of the budget were left, and it may take 40 s"
    assert shortage(0.0, 0.0) == "the budget was spent"
    assert shortage(41.0, 40.0) == ""


def test_quick_trials_are_measured_together_and_those_that_train_one_by_one():
    found = batches(candidates("a", "b", "qat", "c", "d", "e", "f", "g", "h", "i"), frozenset({"qat"}))

    assert [[one.recipe[0] for one in batch] for batch in found] == [
        ["a", "b"],
        ["qat"],
        ["c", "d", "e", "f", "g", "h"],
        ["i"],
    ]
    assert max(map(len, found)) == BATCH
