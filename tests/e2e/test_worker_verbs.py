"""A project whose training runs on another machine, by the command line alone: hub, worker and `edgewright train`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scenes.desk import Desk, until
from scenes.publishing import write_model, write_rows

pytestmark = pytest.mark.e2e

PROJECT = """
[project]
model = "digits"
[data]
dataset = "digits"
path = "rows"
[train]
command = "python train.py"
code = ["train.py", "made.onnx"]
timeout_s = 60
[pipeline.steps.train]
where = {site = "lab"}
"""
TRAINS = """
import json, os, pathlib, shutil
models = pathlib.Path(os.environ["EW_MODEL_DIR"])
print("learns from", sorted(os.listdir(os.environ["EW_INPUT_DIR"])))
shutil.copy("made.onnx", models / "model.onnx")
(models / "metrics.json").write_text(json.dumps({"accuracy": 0.9}))
"""


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.start_hub()
    yield desk
    desk.close()


def start_worker(desk: Desk, token: str, *words: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "edgewright.cli",
        "worker",
        "run",
        "--hub",
        desk.url,
        "--dir",
        str(desk.home / "w"),
    ]
    environment = {**os.environ, "EDGEWRIGHT_WORKER_TOKEN": token, "HOME": str(desk.home)}
    return subprocess.Popen([*command, *words], env=environment, stderr=subprocess.DEVNULL)


def test_training_waits_for_the_machine_that_it_wants_and_runs_there(desk):
    project = desk.home / "project"
    project.mkdir()
    rows = write_rows(project / "rows")
    write_model(rows, project / "made.onnx")
    (project / "edgewright.toml").write_text(PROJECT)
    (project / "train.py").write_text(TRAINS)
    desk.done("data", "snapshot", "digits", str(rows))
    token = desk.done("worker", "add", "lab-1", "--label", "site=lab")["token"]
    run = desk.done("train", "--project", str(project), "--no-wait")["id"]
    until(lambda: any("site=lab" in one["why"] for one in desk.done("worker", "tasks")), "the task waits")
    (waiting,) = desk.done("worker", "tasks")

    worker = start_worker(desk, token)
    until(lambda: desk.done("run", "show", run)["state"] in ("done", "failed"), "the run ends")
    ended = desk.done("run", "show", run)

    assert "none is there" in waiting["why"]
    assert ended["state"] == "done", ended["error"]
    assert ended["result"]["version"] == 1
    (task,) = desk.done("worker", "tasks")
    assert (task["state"], task["holder"], task["attempt"]) == ("ended", "lab-1", 1)
    assert "[done by worker lab-1]" in ended["log"]
    assert "learns from ['holdout.npz', 'train.npz']" in ended["log"]
    shown = desk.done("worker", "show", "lab-1")
    assert (shown["state"], shown["labels"]["site"]) == ("idle", "lab")
    assert desk.run("worker", "drain", "lab-1").code == 0
    assert worker.wait(40) == 0
    worker = start_worker(desk, token)
    assert worker.wait(40) == 0  # it is drained
    assert desk.run("worker", "rm", "lab-1").code == 0
    worker = start_worker(desk, token)
    assert worker.wait(40) == 4


def test_what_is_wrong_is_said_with_what_to_do(desk):
    for words, code, told in [
        (("add", "Bad Name"), 1, "is no name for a worker"),
        (("add", "w1", "--label", "gpu"), 2, "is not of the form name=value"),
        (("add", "w1", "--label", "gpu=a b"), 1, "is no label"),
        (("add", "w1", "--valid", "long"), 2, "is not a time span"),
        (("show", "nobody"), 2, "there is no worker 'nobody'"),
        (("rm", "nobody", "--dry-run"), 2, "there is no worker 'nobody'"),
        (("run", "--hub", "http://127.0.0.1:9"), 4, "this worker has no token"),
        (("run", "--hub", "nowhere", "--token-file", "/no/such/file"), 4, "cannot read /no/such/file"),
    ]:
        ended = desk.run("worker", *words)

        assert ended.code == code, ended.err
        assert told in " ".join(ended.err.split())
