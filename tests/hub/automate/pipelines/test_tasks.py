"""What a command is given: EW_ and SM_ variables, arguments, and files in their folders."""

from __future__ import annotations

import json

from edgewright.contract.api import Does, FileRef, PipelineDraft, StepDraft
from edgewright.hub.automate.pipelines.commands.tasks import arguments, sagemaker, task_of


def ref(path):
    return FileRef(path=path, sha256=path * 3, size_bytes=1)


PIPELINE = PipelineDraft(
    model="lines", dataset="lines", command="python train.py --fast", code=(ref("train.py"),), seed=7
)


def task(**facts):
    step = StepDraft(**{"name": "train", "does": Does.TRAIN, "command": PIPELINE.command, **facts})
    data = (ref("train.npz"), ref("train/a.csv"))
    return task_of("t1", "r1", PIPELINE, step, data=data, parent=ref("model.onnx"), params={"epochs": 3, "b": [1]})


def test_a_training_finds_its_files_under_the_names_of_both_worlds():
    env = task().env_in("/t", cpus=4, gpus=1)

    assert env["EW_INPUT_DIR"] == env["SM_INPUT_DIR"] == env["SM_CHANNEL_TEST"] == "/t/input"
    assert env["SM_CHANNEL_TRAIN"] == "/t/input/train"
    assert env["EW_MODEL_DIR"] == env["SM_MODEL_DIR"] == "/t/model"
    assert env["EW_OUTPUT_DIR"] == env["SM_OUTPUT_DATA_DIR"] == "/t/output"
    assert env["EW_PARENT_MODEL"] == "/t/parent/model.onnx"
    assert json.loads(env["EW_PARAMS_JSON"]) == {"seed": 7, "epochs": 3, "b": [1]}
    assert (env["SM_NUM_CPUS"], env["SM_NUM_GPUS"], env["SM_CURRENT_HOST"]) == ("4", "1", "algo-1")
    assert json.loads(env["SM_HPS"]) == {"epochs": 3, "b": [1]}
    assert (env["SM_HP_EPOCHS"], env["SM_HP_B"]) == ("3", "[1]")
    assert [file.path for file in task().inputs] == [
        "code/train.py",
        "input/train.npz",
        "input/train/a.csv",
        "parent/model.onnx",
    ]


def test_parameters_come_as_arguments_only_where_that_is_wanted():
    assert task().argv_in("/t") == ["python", "train.py", "--fast"]
    assert task(has_arguments=True).argv_in("/t") == ["python", "train.py", "--fast", "-b", "[1]", "--epochs", "3"]


def test_arguments_are_written_as_sagemaker_writes_them():
    said = arguments({"lr": 0.1, "n": None, "flag": True, "map": {"b": 2, "a": 1}, "word": "x y"})

    assert said == ["--flag", "True", "--lr", "0.1", "--map", "a=1,b=2", "-n", "", "--word", "x y"]


def test_channels_can_be_named():
    env = sagemaker({}, [ref("csv/a.csv")], {"validation": "csv"})

    assert env["SM_CHANNEL_VALIDATION"] == env["SM_CHANNEL_CSV"] == "{task}/input/csv"
    assert json.loads(env["SM_CHANNELS"]) == ["csv", "test", "train", "training", "validation"]


def test_a_function_is_run_by_the_light_package():
    made = task(command="", function="features.py:scale", does=Does.COMMAND)

    assert made.command == ("python", "-m", "edgewright.steps", "features.py:scale")
    assert made.outputs == ("output",)
