"""Runs of pipelines with real commands, in the sandbox, and with real versions."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgewright.contract.api import Does, FileRef, RunState, SnapshotDraft, StepState
from edgewright.hub.data import npz
from scenes.steps import LEAVE, linear, step

pytestmark = pytest.mark.e2e

DOUBLE = """
import json, os
from pathlib import Path
import numpy as np
folder = Path(os.environ['EW_INPUT_DIR'])
with np.load(folder / 'train.npz') as rows:
    by = json.loads(os.environ['EW_PARAMS_JSON'])['by']
    np.savez(Path(os.environ['EW_OUTPUT_DIR']) / 'double.npz', x=rows['x'] * by)
print('doubled')
"""
TRAIN = LEAVE + (
    "inputs = sorted(path.name for path in Path(os.environ['EW_INPUT_DIR']).iterdir())\n"
    "print('inputs', *inputs)\n"
    "shutil.copy('made.onnx', models / 'model.onnx')\n"
    "(models / 'metrics.json').write_text(json.dumps({'accuracy': 1.0}))\n"
)


@pytest.fixture
def code(blobs):
    """Makes code files of texts and bytes."""

    def make(**files):
        found = []
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            path = name.replace("_py", ".py").replace("_onnx", ".onnx")
            found.append(FileRef(path=path, sha256=blobs.put_bytes(data), size_bytes=len(data)))
        return tuple(found)

    return make


@pytest.fixture
def line(room, pipeline, code, snapshot, ana):
    """A pipeline of three steps, stored: clean, double, train."""

    def put(**changes):
        steps = (
            step("clean", Does.CLEAN, params={"drops_duplicates": False, "drops_held_out": False}),
            step("double", command="python double.py", outputs=("double.npz",), params={"by": 2}),
            step("train", Does.TRAIN, command="python train.py"),
        )
        facts = {"code": code(train_py=TRAIN, double_py=DOUBLE, made_onnx=linear(2.0)), "steps": steps}
        draft = msgspec.structs.replace(pipeline(""), **{**facts, **changes})
        room.pipelines.put(ana, draft)
        return room

    return put


def states(steps):
    return {name: one.state.value for name, one in steps.items()}


def test_a_run_does_its_steps_in_order_and_the_version_knows_them(line, ana, registry, snapshot):
    run, steps = line().run(ana)

    assert run.state is RunState.DONE, run.error
    assert run.result == {"snapshot": snapshot, "version": 1}
    assert states(steps) == {"clean": "done", "double": "done", "train": "done"}
    assert steps["clean"].note == "all 9 rows will do"
    assert [file.path for file in steps["double"].files] == ["double.npz"]
    assert "double | doubled" in run.log
    assert "train | inputs double.npz holdout.npz train.npz" in run.log
    lineage = registry.version("lines", 1).lineage
    assert [(one.name, one.does) for one in lineage.steps] == [
        ("clean", "clean"),
        ("double", "command"),
        ("train", "train"),
    ]
    assert lineage.steps[0].made == snapshot
    assert lineage.steps[2].digest == steps["train"].digest


def test_what_was_done_alike_is_used_again_and_shown(line, ana, registry):
    room = line()
    first, _ = room.run(ana)

    again, steps = room.run(ana)

    assert states(steps) == {"clean": "reused", "double": "reused", "train": "reused"}
    assert {one.reused_from for one in steps.values()} == {first.id}
    assert again.result["version"] == 1
    assert [one.version for one in registry.model("lines").versions] == [1]


def test_rows_that_will_not_do_leave_a_new_snapshot(line, ana, data, blobs, registry):
    values = np.arange(36, dtype=np.float32).reshape(9, 4)
    values[3] = np.nan
    rows = npz.write({"x": values, "label": np.zeros(9, np.int64)})
    file = FileRef(path="train.npz", sha256=blobs.put_bytes(rows), size_bytes=len(rows))
    old = data.snapshot("lines")
    changed = msgspec.structs.replace(old.files[0], path="holdout.npz")
    data.create(ana, SnapshotDraft(dataset="lines", files=(file, changed)))

    run, steps = line().run(ana)

    assert run.result["snapshot"] == "lines@3"
    assert steps["clean"].note == "1 of 9 rows dropped: 1 × a value is missing"
    assert "clean | 1 rows: a value is missing (such as row 3)" in run.log
    assert len(data.arrays("lines@3", "train.npz")["x"]) == 8
    assert registry.version("lines", 1).lineage.snapshot == "lines@3"


def test_data_that_will_not_do_ends_the_run_and_leaves_nothing(line, ana, data, code):
    steps = (
        step("clean", Does.CLEAN, params={"max_dropped": 0.5}),
        step("train", Does.TRAIN, command="python train.py"),
    )

    run, told = line(steps=steps).run(ana)

    assert (run.state, run.result) == (RunState.FAILED, {"code": "data_not_clean"})
    assert "100% of the rows will not do" in run.error
    assert (told["clean"].state, told["train"].state) == (StepState.FAILED, StepState.PENDING)
    assert told["clean"].note == run.error
    assert [one.id for one in data.snapshots()] == ["lines@1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pass", "step 'double' left no double.npz in EW_OUTPUT_DIR"),
        ("raise SystemExit('no such column')", "'python double.py' ended with status 1: no such column"),
    ],
)
def test_a_step_that_leaves_nothing_or_fails_ends_the_run(line, ana, code, registry, text, said):
    run, steps = line(code=code(double_py=text, train_py=TRAIN, made_onnx=linear(2.0))).run(ana)

    assert run.state is RunState.FAILED
    assert said in run.error
    assert states(steps) == {"clean": "done", "double": "failed", "train": "pending"}
    assert registry.models() == []


def test_a_function_is_a_step_like_a_command(line, ana, code, data):
    text = (
        "from edgewright import Arrays, step\n"
        "@step(outputs=('double.npz', 'note.json'))\n"
        "def double(train: Arrays, *, by: int = 2):\n"
        "    return {'x': train['x'] * by}, {'by': by}\n"
    )
    steps = (
        step("double", function="double.py:double", outputs=("double.npz", "note.json"), params={"by": 5}),
        step("train", Does.TRAIN, command="python train.py"),
    )
    files = code(train_py=TRAIN, double_py=text, made_onnx=linear(2.0))

    run, told = line(code=files, steps=steps).run(ana)

    assert run.state is RunState.DONE, run.error
    assert [file.path for file in told["double"].files] == ["double.npz", "note.json"]


def test_a_command_of_the_users_may_make_the_snapshot(line, ana, code, data):
    text = (
        "import os, numpy as np\n"
        "from pathlib import Path\n"
        "out = Path(os.environ['EW_OUTPUT_DIR']) / 'train.npz'\n"
        "np.savez(out, x=np.ones((4, 4), np.float32), label=np.zeros(4, np.int64))\n"
    )
    steps = (
        step("clean", Does.CLEAN, command="python double.py", outputs=("train.npz",)),
        step("train", Does.TRAIN, command="python train.py"),
    )
    run, _ = line(code=code(double_py=text, train_py=TRAIN, made_onnx=linear(2.0)), steps=steps).run(ana)

    assert run.result["snapshot"] == "lines@2"
    assert len(data.arrays("lines@2", "train.npz")["x"]) == 4
    assert data.has("lines@2", "holdout.npz")


def test_weights_that_the_parent_has_are_told_as_frozen(line, ana, code, registry):
    room = line()
    room.run(ana)
    line(code=code(train_py=TRAIN, double_py=DOUBLE, made_onnx=linear(3.0)))

    run, steps = room.run(ana, champion=1)

    assert run.result["version"] == 2
    assert registry.version("lines", 2).lineage.frozen == ("trunk",)
    assert registry.version("lines", 2).lineage.parent == 1
    assert steps["train"].note == "lines@2, 1 weights as in the parent"
