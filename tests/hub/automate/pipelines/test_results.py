"""What a training left, read as what a stranger wrote."""

from __future__ import annotations

import pytest

from edgewright.contract.api import FileRef
from edgewright.hub.automate.pipelines.commands.results import model_of
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
