"""What a training left, read as what a stranger wrote."""

from __future__ import annotations

import pytest

from edgewright.contract.api import FileRef
from edgewright.hub.automate.pipelines.commands.results import model_of, searched
from edgewright.hub.automate.pipelines.model import TrainingFailed


def left(*names):
    return [FileRef(path=f"model/{name}", sha256=name, size_bytes=1) for name in names]


def test_the_model_is_onnx_or_tflite():
    assert model_of(left("notes.txt", "model.onnx"), "f") == "model.onnx"
    assert model_of(left("model.tflite"), "f") == "model.tflite"


@pytest.mark.parametrize(
    ("names", "told", "hint"),
    [
        ((), "left no model.onnx", "run show"),
        (("model.joblib",), "but model.joblib", "Pickles are never loaded"),
        (("model.pth",), "but model.pth", "Pickles are never loaded"),
        (("model.tar.gz",), "but model.tar.gz", "not unpacked"),
        (("saved.h5", "a.txt"), "but a.txt, saved.h5", "model.onnx"),
    ],
)
def test_who_leaves_something_else_is_told_what_to_do(names, told, hint):
    with pytest.raises(TrainingFailed, match=told) as refusal:
        model_of(left(*names), "f")

    assert hint in refusal.value.hint


def test_metrics_are_found_in_the_output_and_the_last_counts():
    said = "epoch 1 loss=0.5\nepoch 2 loss=0.25 acc: 9e-1\n"

    assert searched(said, {"loss": "loss=([0-9.]+)", "accuracy": "acc: (.*)"}) == {"loss": 0.25, "accuracy": 0.9}


@pytest.mark.parametrize("said", ["", "loss=none"])
def test_a_metric_that_is_not_there_or_no_number_is_named(said):
    with pytest.raises(TrainingFailed, match="no number for the metric 'loss'"):
        searched(said, {"loss": "loss=(.*)"})
