"""Runs of pipelines: what is done, in which order, what is used again, and how they end."""

from __future__ import annotations

import pytest

from edgewright.contract.api import Overrides, RunState, StepState
from edgewright.contract.errors import InvalidInput
from scenes.performed import PowerCut
from scenes.steps import Kept, step


@pytest.fixture
def executor(blobs):
    return Kept(blobs)


@pytest.fixture
def line(room, pipeline, snapshot, ana):
    """Three steps, stored: one, two after one, three after both."""
    steps = (
        step("one", command="one", outputs=("one.npz",), needs=()),
        step("two", command="two", outputs=("two.npz",), params={"by": 2}),
        step("three", command="three", outputs=("three.npz",), inputs=("one.npz",)),
    )
    room.pipelines.put(ana, pipeline("", steps=steps))
    return room


def states(steps):
    return tuple(one.state.value for one in steps.values())


def test_a_run_does_its_steps_in_order_and_tells_what_they_say(line, ana, executor):
    run, steps = line.run(ana)

    assert run.state is RunState.DONE, run.error
    assert executor.ran == ["one", "two", "three"]
    assert states(steps) == ("done", "done", "done")
    assert run.log == "one | one is at work\ntwo | two is at work\nthree | three is at work\n"
    assert [file.path for file in steps["three"].files] == ["three.npz"]
    assert {one.where for one in steps.values()} == {"memory"}
    assert steps["two"].child == f"{run.id}-two"


def test_what_was_done_alike_is_used_again_and_shown(line, ana, executor):
    first, _ = line.run(ana)

    _, steps = line.run(ana)

    assert states(steps) == ("reused", "reused", "reused")
    assert {one.reused_from for one in steps.values()} == {first.id}
    assert len(executor.ran) == 3


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ({"params": {"one": {"by": 3}}}, ("done", "done", "done")),
        ({"params": {"two": {"by": 3}}}, ("reused", "done", "done")),
        ({"params": {"three": {"by": 3}}}, ("reused", "reused", "done")),
        ({"params": {"two": {"by": 2}}}, ("reused", "reused", "reused")),
        ({"use_cache": False}, ("done", "done", "done")),
        ({"from_step": "two"}, ("reused", "done", "done")),
        ({"from_step": "three"}, ("reused", "reused", "done")),
    ],
    ids=str,
)
def test_only_what_has_changed_is_done_anew(line, ana, overrides, found):
    line.run(ana)

    run, steps = line.run(ana, Overrides(**overrides))

    assert run.state is RunState.DONE, run.error
    assert states(steps) == found


def test_what_is_gone_is_made_again(line, ana, blobs):
    _, steps = line.run(ana)
    blobs.path(steps["two"].files[0].sha256).unlink()

    _, again = line.run(ana)

    assert states(again) == ("reused", "done", "reused")


def test_a_run_that_failed_goes_on_where_it_failed_the_next_time(line, ana, executor):
    executor.fails["two"] = "did not end in time"
    run, steps = line.run(ana)
    executor.fails.clear()

    _, more = line.run(ana)

    assert run.error.startswith("step 'two' failed: 'two' did not end in time")
    assert states(steps) == ("done", "failed", "pending")
    assert steps["two"].note == run.error
    assert states(more) == ("reused", "done", "done")


def test_a_step_that_leaves_something_else_fails_and_nothing_of_it_is_kept(line, ana, executor):
    executor.leaves["two"] = ("tow.npz",)

    run, steps = line.run(ana)

    assert "step 'two' left no two.npz in EW_OUTPUT_DIR" in run.error
    assert (states(steps), steps["two"].files) == (("done", "failed", "pending"), ())


def test_a_run_from_a_step_on_needs_an_earlier_run(line, ana):
    run, steps = line.run(ana, from_step="three")

    assert (run.state, run.result) == (RunState.FAILED, {"code": "nothing_to_reuse"})
    assert "no run has done 'one' yet" in run.error
    assert states(steps) == ("pending", "pending", "pending")


@pytest.mark.parametrize("overrides", [{"from_step": "tow"}, {"params": {"tow": {}}}], ids=str)
def test_a_step_that_is_not_there_is_named(line, ana, overrides):
    with pytest.raises(InvalidInput, match="no step 'tow'"):
        line.pipelines.run(ana, "lines", Overrides(**overrides), why="")


def test_a_dry_run_tells_the_steps_and_starts_nothing(line, ana, jobs):
    told = line.pipelines.run(ana, "lines", Overrides(), why="", dry_run=True)

    assert told.result == {"steps": ["one", "two", "three"]}
    assert jobs.runs() == []


def test_the_same_run_is_started_once(line, ana, db, jobs):
    for _ in range(2):
        with db.write() as connection:
            line.pipelines.start(connection, ana, "lines", why="an alert", id="pipeline-a1")

    assert [run.id for run in jobs.runs()] == ["pipeline-a1"]


@pytest.mark.e2e
def test_power_may_be_cut_before_and_after_every_step(line, ana, jobs, executor):
    cut_at, cuts = 0, 1
    while cuts:
        jobs.saved, jobs.taken, jobs.cut_at, executor.ran, cuts = {}, 0, cut_at, [], 0
        begun = line.pipelines.run(ana, "lines", Overrides(use_cache=False), why="a test")
        while not jobs.get(begun.id).state.is_ended:
            try:
                jobs.work()
            except PowerCut:
                cuts += 1
        run = jobs.get(begun.id)
        assert run.state is RunState.DONE, (cut_at, run.error)
        assert {one.state for one in line.pipelines.steps(begun.id)} == {StepState.DONE}
        assert len(executor.ran) <= 3 + cuts, f"cut at {cut_at}: {executor.ran}"
        cut_at += 1
    assert cut_at > 40
