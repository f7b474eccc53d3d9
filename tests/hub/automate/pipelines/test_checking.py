"""What a pipeline may look like: mistakes are told by their field, with the fix."""

from __future__ import annotations

import pytest

from edgewright.contract.api import Does, PipelineDraft, StepDraft
from edgewright.contract.api.tasks import Limits
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.pipelines.checking import check_pipeline
from edgewright.hub.automate.pipelines.model import before, steps_of


def step(name, does=Does.COMMAND, **facts):
    given = {"command": "python it.py", "outputs": (f"{name}.npz",)} if does is Does.COMMAND else {}
    return StepDraft(**{"name": name, "does": does, **given, **facts})


def draft(*steps, **facts):
    return PipelineDraft(
        **{"model": "lines", "dataset": "lines", "command": "python train.py", "code": (), "steps": steps, **facts}
    )


def train(**facts):
    return step("train", Does.TRAIN, **facts)


def test_a_project_that_names_no_steps_has_the_usual_ones():
    steps = check_pipeline(draft(timeout_s=60.0))

    assert [one.name for one in steps] == ["collect", "train", "evaluate", "optimise", "package", "roll_out"]
    assert steps[1].command == "python train.py"
    assert steps[1].limits.timeout_s == 60.0
    assert steps[3].needs == ("evaluate",)


def test_steps_run_after_what_they_need_and_else_as_they_stand():
    steps = check_pipeline(
        draft(train(needs=("b", "c")), step("a", needs=()), step("c", needs=("a",)), step("b", needs=("a",)))
    )

    assert [one.name for one in steps] == ["a", "c", "b", "train"]
    assert [one.name for one in before(steps, "train")] == ["a", "c", "b"]


def test_who_reads_a_file_needs_who_writes_it():
    steps = check_pipeline(draft(step("a"), step("b"), step("c", inputs=("a.npz",))))

    assert steps[2].needs == ("b", "a")


@pytest.mark.parametrize(
    ("steps", "field", "told", "hint"),
    [
        ((step("a", needs=("trian",)), train()), "a.needs", "no step 'trian'", "'train'"),
        ((step("a", needs=("b",)), step("b", needs=("a",))), "a.needs", "a → b → a", "away"),
        ((step("a", inputs=("x.npz",)),), "a.inputs", "no step before it writes 'x.npz'", "outputs"),
        ((step("a", inputs=("b.npz",), needs=()), step("b", needs=("a",))), "a.needs", "need each other", "away"),
        ((step("a", outputs=("x",)), step("b", outputs=("x",))), "b.outputs", "step 'a' writes 'x' too", "Rename"),
        ((step("a", outputs=("train.npz",)),), "a.outputs", "is the snapshot's", "clean"),
        ((step("a", outputs=()),), "a.outputs", "says of no file", "outputs ="),
        ((step("a", outputs=("../x",)),), "a.outputs", "no plain path", "'..'"),
        ((step("a", command=""),), "a.command", "neither a command nor a function", "command"),
        ((step("a", function="f.py:f"),), "a.function", "a command and a function", "one"),
        ((step("a", command="", function="f.f"),), "a.function", "names no function", "features.py:scale"),
        ((step("a", command="x 'y"),), "a.command", "cannot be read", "quotes"),
        ((step("a", limits=Limits(timeout_s=0)),), "a.timeout_s", "cannot have 0 s", "more than 0"),
        ((step("e", Does.EVALUATE),), "e.needs", "no step before it trains", "trains"),
        ((train(), step("r", Does.ROLL_OUT)), "r.needs", "no step before it makes a release", "packages"),
        ((train(), step("again", Does.TRANSFER)), "again.does", "trains already", "one version"),
        ((step("collect", Does.COLLECT, params={"labels": 3}),), "collect.params", "unknown field", "min_labels"),
        ((step("collect", Does.COLLECT, params={"min_labels": -1}),), "collect.params.min_labels", ">= 0", "takes"),
        ((step("collect", Does.COLLECT, command="x"),), "collect.command", "built in", "away"),
        ((train(metrics={"a": "(["}),), "train.metrics.a", "no regular expression", "re"),
        ((train(metrics={"a": "x"}),), "train.metrics.a", "has 0 groups", "One"),
        ((train(metrics={"a": "(x{99999999999})"}),), "train.metrics.a", "no regular expression", "re"),
        ((train(metrics={"a": "(" * 501}),), "train.metrics.a", "501 characters", "At most 500"),
        ((train(metrics={f"m{n}": "(x)" for n in range(101)}),), "train.metrics", "101 metrics", "At most 100"),
        ((train(outputs=("x",)),), "train.outputs", "leaves no files of its own", "away"),
        ((train(params={"x": "y" * 40_000}),), "train.params", "more than 32768", "file"),
    ],
)
def test_a_mistake_is_told_by_its_field_with_the_fix(steps, field, told, hint):
    with pytest.raises(InvalidInput) as refusal:
        check_pipeline(draft(*steps))

    assert refusal.value.field == f"pipeline.steps.{field}"
    assert told in refusal.value.message
    assert hint in refusal.value.hint


@pytest.mark.parametrize("name", ["", "Train", "a b", "1st", "x" * 41, "../a"])
def test_a_step_has_a_plain_name(name):
    with pytest.raises(InvalidInput, match="no name of a step"):
        check_pipeline(draft(step(name, outputs=("x",))))


def test_two_steps_have_two_names():
    with pytest.raises(InvalidInput, match="two steps are called 'a'"):
        check_pipeline(draft(step("a"), step("a")))


def test_a_command_of_the_users_may_clean_the_snapshot_itself():
    own = step("clean", Does.CLEAN, command="python clean.py", outputs=("train.npz",), params={"whatever": 1})

    assert [one.name for one in steps_of(draft(own, train()))] == ["clean", "train"]
    check_pipeline(draft(own, train()))
