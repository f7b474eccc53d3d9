"""Modules of torch as sources."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from edgewright.client.sources import CannotConvert, as_onnx, prepare
from edgewright.contract.errors import InvalidInput

pytestmark = pytest.mark.optimize

ROWS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def kinds():
    """Modules by what is to be seen of them."""
    import torch

    class Scores(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.9), torch.nn.BatchNorm1d(3))

        def forward(self, pixels):
            return torch.softmax(self.layers(pixels), 1)

    class Sum(torch.nn.Module):
        def forward(self, left, right):
            return {"sum": left + right, "difference": left - right}

    class Eigenvalues(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.eig(x)[0].real

    class Branches(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    class Random(torch.nn.Module):
        def forward(self, x):
            return x + torch.rand(x.shape)

    return {kind.__name__: kind for kind in (Scores, Sum, Eigenvalues, Branches, Random)}


def test_a_module_becomes_onnx_as_it_answers_in_evaluation_for_any_number_of_rows(kinds, tmp_path):
    import torch

    module = kinds["Scores"]().train()

    source = prepare(module, tmp_path, example=ROWS[:1])

    session = onnxruntime.InferenceSession(source.path)
    answers = session.run(None, {"pixels": ROWS})[0]
    with torch.no_grad():
        wanted = module.eval()(torch.from_numpy(ROWS)).numpy()
    assert np.allclose(answers, wanted, atol=1e-5)
    assert set(source.environment) == {"torch", "onnxscript"}
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_module_that_trains_goes_on_training(kinds, tmp_path):
    module = kinds["Scores"]().train()

    as_onnx(module, ROWS[:2], tmp_path)

    assert all(part.training for part in module.modules())


def test_a_single_input_may_have_a_name_of_its_own(kinds, tmp_path):
    session = onnxruntime.InferenceSession(as_onnx(kinds["Scores"](), {"cells": ROWS}, tmp_path))

    assert [value.name for value in session.get_inputs()] == ["cells"]


def test_several_inputs_and_outputs_are_taken_in_order(kinds, tmp_path):
    session = onnxruntime.InferenceSession(as_onnx(kinds["Sum"](), (ROWS, ROWS), tmp_path))

    assert [value.name for value in session.get_inputs()] == ["left", "right"]
    assert len(session.get_outputs()) == 2


@pytest.mark.parametrize(
    ("kind", "example", "said"),
    [
        ("Eigenvalues", np.ones((1, 3, 3), np.float32), "the operator aten.linalg_eig has no form in ONNX"),
        ("Branches", ROWS, "branches on the values of its inputs"),
        ("Random", ROWS, "answers otherwise than the model"),
    ],
)
def test_what_has_no_form_in_onnx_is_named(kinds, tmp_path, kind, example, said):
    with pytest.raises(CannotConvert, match=said) as caught:
        as_onnx(kinds[kind](), example, tmp_path)
    assert caught.value.hint


def test_an_example_that_the_module_does_not_take_is_refused(kinds, tmp_path):
    with pytest.raises(InvalidInput, match="does not take the example") as caught:
        as_onnx(kinds["Sum"](), {"wrong": ROWS, "left": ROWS}, tmp_path)
    assert caught.value.field == "example"
