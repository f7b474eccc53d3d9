"""Power is cut before and after each step of a pipeline's run: it goes on, and makes everything once."""

from __future__ import annotations

import pytest

from edgewright.contract.api import Does, FileRef, Overrides, RunState, StepState
from edgewright.hub.automate.executors import Finished
from scenes.performed import PowerCut
from scenes.steps import linear, step


class Kept:
    """An executor in memory: it leaves what each step leaves, and counts what it was asked."""

    def __init__(self, blobs) -> None:
        self._blobs = blobs
        self.ran: list[str] = []

    def run(self, task, on_line, is_cancelled):
        self.ran.append(task.step)
        left = {"train": {"model/model.onnx": linear(2.0), "model/metrics.json": b'{"accuracy": 1.0}'}}
        files = left.get(task.step, {"output/double.npz": b"doubled"})
        refs = [
            FileRef(path=path, sha256=self._blobs.put_bytes(data), size_bytes=len(data)) for path, data in files.items()
        ]
        return Finished(returncode=0, outputs=tuple(refs), where="memory")


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
