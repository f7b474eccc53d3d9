"""The training step with real commands: what they are given, and what becomes of those that fail."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sqlalchemy as sa
from onnx import TensorProto, helper, numpy_helper

import edgewright
from edgewright.contract.api import RunState, TrainDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.model import TrainingFailed, UnknownPipeline
from edgewright.hub.automate.training import train
from edgewright.hub.data.model import UnknownSnapshot, snapshot_digest
from edgewright.hub.provenance import Making
from edgewright.hub.provenance.table import attestation
from edgewright.hub.registry import UnknownVersion

LEAVE = """
import json, os, shutil
from pathlib import Path
models = Path(os.environ["EW_MODEL_DIR"])
"""
LEAVE_BOTH = LEAVE + "(models / 'model.onnx').write_bytes(b'weights'); (models / 'metrics.json').write_text('{}')\n"


class Straight:
    """A run's context that does each step in this thread, as often as it is told to."""

    def __init__(self, id, args, times=1) -> None:
        self.started_at = 900.0
        self.id, self.args, self.times = id, args, times
        self.log = ""

    def step(self, name, act, *args):
        return [act(*args) for _ in range(self.times)][-1]

    def report(self, step, fraction=None, *, state=RunState.RUNNING, log=""):
        self.log += log

    def is_cancelled(self):
        return False


@pytest.fixture
def run(data, blobs, snapshot, tmp_path):
    """Run a pipeline's command once."""

    def run(pipeline, parent=None, on_line=lambda line: None, **draft):
        wanted = TrainDraft(model="lines", snapshot=snapshot, **draft)
        folder = tmp_path / "work" / "r1"
        return train(pipeline, wanted, parent, folder, data=data, blobs=blobs, hidden=[tmp_path], on_line=on_line)

    return run


def test_the_command_sees_neither_the_hub_s_keys_nor_its_database(run, pipeline, tmp_path):
    (tmp_path / "keys" / "director.pem").write_text("secret")
    code = LEAVE_BOTH + "print('sees', sorted(os.listdir(models.parents[2])))"
    heard: list[str] = []

    run(pipeline(code), on_line=heard.append)

    if any(line.startswith("note: this kernel") for line in heard):
        pytest.skip("this kernel lets us mount nothing")
    assert heard == ["sees ['work']"]


def test_the_command_gets_its_data_its_parameters_and_its_parent(run, pipeline, blobs, tmp_path):
    parent = tmp_path / "parent.onnx"
    parent.write_bytes(b"the parent")
    code = LEAVE + (
        "inputs = sorted(path.name for path in Path(os.environ['EW_INPUT_DIR']).iterdir())\n"
        "told = {'inputs': inputs, 'params': json.loads(os.environ['EW_PARAMS_JSON'])}\n"
        "told['parent'] = Path(os.environ['EW_PARENT_MODEL']).read_text()\n"
        "told['code'] = sorted(os.listdir())\n"
        "(models / 'model.onnx').write_text(json.dumps(told))\n"
        "(models / 'metrics.json').write_text(json.dumps({'accuracy': 0.5}))\n"
    )
    draft = pipeline(code, params={"epochs": 3, "width": 8})

    trained = run(draft, parent, params={"epochs": 5})

    assert json.loads(blobs.path(trained.source_sha256).read_text()) == {
        "inputs": ["holdout.npz", "train.npz"],
        "params": {"seed": 7, "epochs": 5, "width": 8},
        "parent": "the parent",
        "code": ["train.py"],
    }
    assert trained.metrics == {"accuracy": 0.5}
    assert trained.environment["python"].startswith("3.")


def test_the_command_gets_nothing_of_the_hubs_own_environment(run, pipeline, blobs, monkeypatch):
    monkeypatch.setenv("A_SECRET", "tell nobody")
    code = LEAVE_BOTH + "(models / 'model.onnx').write_text(json.dumps(sorted(os.environ)))\n"

    trained = run(pipeline(code))

    names = set(json.loads(blobs.path(trained.source_sha256).read_text()))
    known = {"PATH", "HOME", "OMP_NUM_THREADS", "PYTHONUNBUFFERED", "LC_CTYPE", *edgewright.TELEMETRY_OFF}
    assert {name for name in names - known if not name.startswith("EW_")} == set()
    assert {name for name in names if name.startswith("EW_")} == {
        "EW_INPUT_DIR",
        "EW_MODEL_DIR",
        "EW_PARAMS_JSON",
        "EW_PARENT_MODEL",
    }


def test_each_line_is_heard_as_it_comes(run, pipeline):
    heard: list[str] = []

    run(pipeline(LEAVE_BOTH + "print('epoch 1'); print('epoch 2')"), on_line=heard.append)

    assert heard == ["epoch 1", "epoch 2"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; print('begun'); sys.exit('no such column: label')", "ended with status 1: no such column: label"),
        ("1 / 0", "ZeroDivisionError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
        ("pass", "left no model.onnx in EW_MODEL_DIR"),
        (LEAVE + "(models / 'model.onnx').write_bytes(b'w')", "left no metrics.json in EW_MODEL_DIR"),
        (LEAVE + "(models / 'model.onnx').mkdir()", "left no model.onnx"),
        (LEAVE + "os.symlink('/etc/passwd', models / 'model.onnx')", "left no model.onnx"),
        (LEAVE_BOTH + "shutil.move(models / 'metrics.json', 'm'); os.symlink('m', models / 'metrics.json')", "left no"),
        (LEAVE_BOTH + "(models / 'metrics.json').write_text('{\"loss\": NaN}')", "is not an object of numbers"),
        (LEAVE_BOTH + "(models / 'metrics.json').write_text('{\"loss\": 1e999}')", "is not an object of numbers"),
        (LEAVE_BOTH + "(models / 'metrics.json').write_text('[0.9]')", "is not an object of numbers"),
        (
            LEAVE_BOTH + "(models / 'metrics.json').write_text('{\"accuracy\": \"good\"}')",
            "is not an object of numbers",
        ),
        (LEAVE_BOTH + "(models / 'metrics.json').write_bytes(b'{\"\\xff\": 1}')", "is not an object of numbers"),
    ],
    ids=[
        "says why",
        "raises",
        "is killed",
        "no model",
        "no metrics",
        "a folder",
        "a link as model",
        "a link as metrics",
        "NaN",
        "infinite",
        "a list",
        "a word",
        "no UTF-8",
    ],
)
def test_a_command_that_fails_or_leaves_nonsense_is_told_by_its_end(run, pipeline, code, told):
    with pytest.raises(TrainingFailed) as failure:
        run(pipeline(code))

    assert told in failure.value.message
    assert failure.value.field in ("train.command", "metrics.json")
    assert "edgewright run show" in failure.value.hint


def test_a_command_that_hangs_is_ended_in_time(run, pipeline):
    with pytest.raises(TrainingFailed, match="did not end in time"):
        run(pipeline("", command="sleep 60", timeout_s=0.5))


def test_a_command_that_does_not_exist_is_named(run, pipeline):
    with pytest.raises(TrainingFailed, match="cannot start no-such-command"):
        run(pipeline("", command="no-such-command --fast"))


def test_what_a_cut_off_attempt_left_is_gone_when_it_is_tried_again(run, pipeline, tmp_path):
    left = tmp_path / "work" / "r1" / "model"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half a model")

    with pytest.raises(TrainingFailed, match=r"left no model\.onnx"):
        run(pipeline("pass"))


def test_a_step_that_is_repeated_registers_one_version(automate, pipeline, snapshot, jobs, ana, registry, tmp_path):
    (tmp_path / "made.onnx").write_bytes(linear())
    code = LEAVE_BOTH + f"shutil.copy({str(tmp_path / 'made.onnx')!r}, models / 'model.onnx'); print('learned')"
    automate.put_pipeline(ana, pipeline(code, code_revision="abc", params={"epochs": 3}))
    record = automate.start_training(ana, TrainDraft(model="lines"))
    context = Straight(record.id, jobs.arguments(record.id), times=2)

    result = jobs.bodies["train"](context)

    (version,) = registry.model("lines").versions
    assert result == {"version": 1, "snapshot": snapshot, "metrics": {}}
    assert context.log.count("learned\n") == 2
    assert (version.lineage.snapshot, version.lineage.code_revision) == (snapshot, "abc")
    assert (version.lineage.params, version.lineage.seed, version.created_by) == ({"epochs": 3}, 7, "ana")
    assert list((tmp_path / "work").iterdir()) == []


def test_what_a_version_was_trained_from_is_stated_once(
    automate, pipeline, snapshot, jobs, ana, registry, data, provenance, db, tmp_path
):
    (tmp_path / "made.onnx").write_bytes(linear())
    code = LEAVE_BOTH + f"shutil.copy({str(tmp_path / 'made.onnx')!r}, models / 'model.onnx')"
    draft = pipeline(code, code_revision="abc", params={"epochs": 3})
    automate.put_pipeline(ana, draft)
    for parent in (0, 1):
        record = automate.start_training(ana, TrainDraft(model="lines", parent=parent))
        jobs.bodies["train"](Straight(record.id, jobs.arguments(record.id), times=2 - parent))

    first, second = (
        provenance.find(Making.TRAINING, f"lines@{one.version}", one.source_sha256)
        for one in registry.model("lines").versions
    )

    assert first.made_of == {f"data/{snapshot}": data.snapshot(snapshot).digest, "code": snapshot_digest(draft.code)}
    assert second.made_of == {**first.made_of, "lines@1": registry.version("lines", 1).source_sha256}
    said = second.statement.predicate
    assert said.build_definition.external_parameters == {
        "model": "lines",
        "snapshot": snapshot,
        "parent": 1,
        "seed": 7,
        "command": draft.command,
        "params": {"epochs": 3},
    }
    assert said.run_details.builder.id == provenance.builder
    assert said.run_details.builder.version.keys() >= {"python", "numpy", "edgewright"}
    assert said.run_details.metadata.invocation_id == record.id
    assert said.run_details.metadata.started_on == "1970-01-01T00:15:00Z"
    with db.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(attestation)) == 2


def test_training_starts_only_where_everything_it_names_is_there(automate, pipeline, snapshot, jobs, ana):
    with pytest.raises(UnknownPipeline):
        automate.start_training(ana, TrainDraft(model="lines"))
    automate.put_pipeline(ana, pipeline("pass"))

    with pytest.raises(UnknownSnapshot):
        automate.start_training(ana, TrainDraft(model="lines", snapshot="lines@9"))
    with pytest.raises(UnknownVersion):
        automate.start_training(ana, TrainDraft(model="lines", parent=1))
    with pytest.raises(InvalidInput, match="more than 32768"):
        automate.start_training(ana, TrainDraft(model="lines", params={"text": "x" * 32_768}))
    assert automate.start_training(ana, TrainDraft(model="lines"), dry_run=True).state is RunState.QUEUED

    assert jobs.runs() == []


def linear() -> bytes:
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")]
    two = numpy_helper.from_array(np.full(1, 2, np.float32), "two")
    graph = helper.make_graph([helper.make_node("Mul", ["x", "two"], ["y"])], "double", rows[:1], rows[1:], [two])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()
