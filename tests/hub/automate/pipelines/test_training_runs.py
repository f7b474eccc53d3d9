"""Training runs with real commands, in the sandbox: those that fail are told by their end, and leave nothing behind."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import Does, FileRef, RunState, SnapshotDraft, TrainDraft
from edgewright.contract.api.tasks import Limits
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.pipelines.model import UnknownPipeline
from edgewright.hub.data.model import UnknownSnapshot
from edgewright.hub.registry import UnknownVersion
from scenes.steps import LEAVE, LEAVE_BOTH, step

pytestmark = pytest.mark.e2e

SAGEMAKER = """
import argparse, os
import numpy as np

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--max-leaf-nodes', type=int, default=-1)
    parser.add_argument('--output-data-dir', type=str, default=os.environ['SM_OUTPUT_DATA_DIR'])
    parser.add_argument('--model-dir', type=str, default=os.environ['SM_MODEL_DIR'])
    parser.add_argument('--train', type=str, default=os.environ['SM_CHANNEL_TRAIN'])
    args = parser.parse_args()

    files = [os.path.join(args.train, name) for name in os.listdir(args.train)]
    data = np.concatenate([np.loadtxt(name, delimiter=',', ndmin=2) for name in files])
    from sklearn import tree
    classifier = tree.DecisionTreeClassifier(max_leaf_nodes=args.max_leaf_nodes)
    classifier = classifier.fit(data[:, 1:], data[:, 0].astype(int))
    import joblib
    joblib.dump(classifier, os.path.join(args.model_dir, 'model.joblib'))
    print('accuracy=%.3f leaves=%d' % (classifier.score(data[:, 1:], data[:, 0]), classifier.get_n_leaves()))
"""
EXPORT = """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    rows = [('x', FloatTensorType([None, 4]))]
    onnx = to_onnx(classifier, initial_types=rows, options={'zipmap': False})
    open(os.path.join(args.model_dir, 'model.onnx'), 'wb').write(onnx.SerializeToString())
"""


@pytest.fixture
def train(room, pipeline, snapshot, ana, jobs):
    """Store a pipeline, run its training alone to its end, and return the run."""

    def train(code, step_draft=None, **changes):
        draft = pipeline(code, **changes)
        if step_draft is not None:
            draft = msgspec.structs.replace(draft, steps=(step_draft,))
        room.pipelines.put(ana, draft)
        begun = room.pipelines.train(ana, TrainDraft(model="lines"))
        jobs.work()
        return jobs.get(begun.id)

    return train


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; print('begun'); sys.exit('no such column: label')", "ended with status 1: no such column: label"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
        ("pass", "left no model.onnx in EW_MODEL_DIR"),
        (LEAVE + "(models / 'model.onnx').write_bytes(b'w')", "left no metrics.json in EW_MODEL_DIR"),
        (LEAVE + "(models / 'model.pkl').write_bytes(b'w')", "but model.pkl"),
        (LEAVE + "os.symlink('/etc/passwd', models / 'model.onnx')", "left no model.onnx"),
        (LEAVE_BOTH + "(models / 'metrics.json').write_text('{\"loss\": NaN}')", "is not an object of numbers"),
        (LEAVE_BOTH + "(models / 'metrics.json').write_text('{\"loss\": 1e999}')", "is not an object of numbers"),
        (LEAVE_BOTH, "model"),
    ],
    ids=["says why", "is killed", "no model", "no metrics", "a pickle", "a link", "NaN", "infinite", "no real model"],
)
def test_a_command_that_fails_or_leaves_nonsense_leaves_no_version(train, registry, tmp_path, code, told):
    run = train(code)

    assert run.state is RunState.FAILED
    assert told in run.error
    assert registry.models() == []
    assert list((tmp_path / "work").iterdir()) == []


def test_a_command_that_hangs_is_ended_in_time(train):
    run = train("", command="sleep 60", timeout_s=0.5)

    assert "did not end in time" in run.error


def test_a_command_that_writes_without_end_is_ended(train, tmp_path):
    code = "f = open('big', 'wb')\nwhile True: f.write(bytes(1 << 20)); f.flush()\n"
    limits = Limits(timeout_s=60.0, disk_bytes=64 << 20, file_bytes=1 << 40)

    run = train(code, step("train", Does.TRAIN, command="python train.py", limits=limits))

    assert run.state is RunState.FAILED
    assert "'python train.py' " in run.error
    assert list((tmp_path / "work").iterdir()) == []


def test_a_script_of_sagemakers_runs_as_it_is(train, room, registry, data, blobs, ana):
    rows = "".join(f"{n % 2},{n}.0,{n % 3}.0,1.0,2.0\n" for n in range(20)).encode()
    file = FileRef(path="train/rows.csv", sha256=blobs.put_bytes(rows), size_bytes=len(rows))
    data.create(ana, SnapshotDraft(dataset="lines", files=(*data.snapshot("lines").files, file)))
    asked = step(
        "train",
        Does.TRAIN,
        command="python train.py",
        params={"max-leaf-nodes": 4},
        has_arguments=True,
        metrics={"accuracy": "accuracy=([0-9.]+)", "leaves": "leaves=([0-9]+)"},
    )

    without = train(SAGEMAKER, asked)
    run = train(SAGEMAKER + EXPORT, asked)

    assert "but model.joblib" in without.error
    assert run.state is RunState.DONE, run.error + run.log
    assert run.result["metrics"]["leaves"] == 4.0
    assert registry.version("lines", 1).lineage.params == {"max-leaf-nodes": 4}


def test_training_starts_only_where_everything_it_names_is_there(room, pipeline, snapshot, jobs, ana):
    with pytest.raises(UnknownPipeline):
        room.pipelines.train(ana, TrainDraft(model="lines"))
    room.pipelines.put(ana, pipeline("pass"))

    with pytest.raises(UnknownSnapshot):
        room.pipelines.train(ana, TrainDraft(model="lines", snapshot="lines@9"))
    with pytest.raises(UnknownVersion):
        room.pipelines.train(ana, TrainDraft(model="lines", parent=1))
    with pytest.raises(InvalidInput, match="more than 32768"):
        room.pipelines.train(ana, TrainDraft(model="lines", params={"text": "x" * 32_768}))
    assert room.pipelines.train(ana, TrainDraft(model="lines"), dry_run=True).state is RunState.QUEUED

    assert jobs.runs() == []
