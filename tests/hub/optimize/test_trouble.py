"""Studies in trouble: steps that crash, hang or take all memory, a kill in the middle, and a cancellation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgewright.contract.api import RunState, StudyState, TrialState
from plugins import zoo
from scenes import studied, troubled
from scenes.desk import until
from scenes.optimising import make_room

PATIENCE_S = 90.0
TESTS = Path(__file__).parents[2]

pytestmark = pytest.mark.e2e


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """Where the troubled steps lie, on the path of hub and children."""
    troubled.install(tmp_path / "plugged", monkeypatch)
    return tmp_path / "plugged"


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "hub"
    found.mkdir()
    return found


def with_digits(folder):
    """A room with a version 'digits' that has rows."""
    room = make_room(folder)
    kept = zoo.mlp()
    rows = {**kept.rows, "label": np.zeros(len(next(iter(kept.rows.values()))), np.int64)}
    room.pretend("digits", kept.model.SerializeToString(), kept.contract, room.snapshot("digits", rows, rows))
    return room


def test_a_step_that_crashes_hangs_or_takes_all_memory_fails_its_trial_and_the_others_go_on(plugged, folder):
    room = with_digits(folder)

    study, _ = room.optimise("digits", "cpu-int8", recipes=("crash", "hang", "greed", "clean"))

    reasons = {" → ".join(trial.recipe): (trial.state, trial.reason) for trial in study.trials}
    assert reasons["crash"][0] is reasons["hang"][0] is reasons["greed"][0] is TrialState.FAILED
    assert "step crash was killed by SIGABRT" in reasons["crash"][1]
    assert "step hang did not end in time" in reasons["hang"][1]
    assert "MemoryError" in reasons["greed"][1]
    assert reasons["clean"][0] is TrialState.KEPT
    assert study.state is StudyState.DONE
    room.db.close()


def test_a_step_that_lies_about_what_it_left_fails_its_trial_and_the_others_go_on(plugged, folder):
    room = with_digits(folder)

    study, _ = room.optimise("digits", "cpu-int8", recipes=("absent", "astray", "clean -> nonsense", "clean"))

    reasons = {" → ".join(trial.recipe): (trial.state, trial.reason) for trial in study.trials}
    assert {state for state, _ in (reasons["absent"], reasons["astray"], reasons["clean → nonsense"])} == {
        TrialState.FAILED
    }
    assert "step absent ended" in reasons["absent"][1]
    assert "step astray left no file" in reasons["astray"][1]
    assert "step nonsense gave an answer that makes no sense" in reasons["clean → nonsense"][1]
    assert study.state is StudyState.DONE
    room.db.close()


def test_a_variant_that_answers_something_else_fails_its_trial_and_the_others_go_on(plugged, folder):
    room = with_digits(folder)

    study, _ = room.optimise("digits", "cpu-int8", recipes=("twice", "clean -> prune ratio=0.1"))

    reasons = {" → ".join(trial.recipe): (trial.state, trial.reason) for trial in study.trials}
    assert reasons["twice"][0] is TrialState.FAILED
    assert "the source's of" in reasons["twice"][1]
    assert reasons["clean → prune ratio=0.1"][0] is not TrialState.FAILED
    assert study.state is StudyState.DONE
    room.db.close()


def test_a_study_that_was_killed_goes_on_without_trying_again_what_was_tried(plugged, folder):
    env = {**os.environ, "PYTHONPATH": f"{plugged}{os.pathsep}{TESTS}"}
    process = subprocess.Popen([sys.executable, studied.__file__, str(folder)], env=env)
    until((folder / "waits").exists, "the second trial is being made", PATIENCE_S)
    process.kill()
    process.wait()
    (folder / "gate").touch()

    room = studied.work(folder)

    try:
        until(lambda: room.jobs.get(studied.RUN).state.is_ended, "the study has ended", PATIENCE_S)
        run, study = room.jobs.get(studied.RUN), room.optimize.study("digits", 1, "cpu-int8")
    finally:
        room.events.stop()
        room.jobs.shut_down()
    assert run.state is RunState.DONE
    assert [trial.id for trial in study.trials] == ["t0", "t1", "t2"]
    assert run.log.count("try clean: ") == 1
    assert study.state is StudyState.DONE
    assert room.variant("digits", "cpu-int8") is not None
    room.db.close()


def test_cancelling_a_study_ends_the_step_that_is_running(plugged, folder):
    room = studied.work(folder)
    try:
        until((folder / "waits").exists, "the second trial is being made", PATIENCE_S)
        child = int((folder / "waits").read_text())

        room.jobs.cancel(studied.RUN)

        until(lambda: not Path(f"/proc/{child}").exists(), "the step's process is gone", 10.0)
        until(
            lambda: room.optimize.study("digits", 1, "cpu-int8").state is StudyState.CANCELLED,
            "the study says that it was cancelled",
            10.0,
        )
        assert room.jobs.get(studied.RUN).state is RunState.CANCELLED
        assert room.variant("digits", "cpu-int8") is None
    finally:
        room.events.stop()
        room.jobs.shut_down()
        room.db.close()
