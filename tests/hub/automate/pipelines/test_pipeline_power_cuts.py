"""Power is cut before and after each step of a pipeline's run: it goes on, and makes everything once."""

from __future__ import annotations

import pytest

from edgewright.contract.api import Does, Overrides, RunState, StepState
from scenes.performed import PowerCut
from scenes.steps import Kept, step


@pytest.fixture
def executor(blobs):
    return Kept(blobs)


@pytest.mark.e2e
def test_power_may_be_cut_at_any_step_and_everything_is_made_once(room, pipeline, snapshot, ana, jobs, registry):
    steps = (
        step("clean", Does.CLEAN, params={"drops_duplicates": False, "drops_held_out": False}),
        step("double", command="double", outputs=("double.npz",)),
        step("train", Does.TRAIN, command="train"),
    )
    room.pipelines.put(ana, pipeline("", steps=steps))
    versions, cut_at = 0, 0
    while True:
        jobs.saved, jobs.taken, jobs.cut_at = {}, 0, cut_at
        begun = room.pipelines.run(ana, "lines", Overrides(use_cache=False), why="a test")
        cuts = 0
        while True:
            try:
                jobs.work()
                break
            except PowerCut:
                cuts += 1
        run = jobs.get(begun.id)
        versions += 1
        assert run.state is RunState.DONE, (cut_at, run.error)
        assert len(registry.model("lines").versions) == versions, f"cut at {cut_at}"
        assert {one.state for one in room.pipelines.steps(begun.id)} == {StepState.DONE}
        if not cuts:
            break
        cut_at += 1
    assert cut_at > 30
