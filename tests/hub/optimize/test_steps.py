"""Each step on real models: what all steps keep, and what each one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgewright.contract.errors import NotFound
from edgewright.hub import children
from edgewright.hub.optimize.model import Outcome, StepPlan, StepQuestion
from edgewright.hub.optimize.steps import About, step
from edgewright.hub.optimize.steps.graphs.prune import smallest_to_zero
from edgewright.hub.optimize.steps.shelf import lack
from plugins.step_checks import answers, check_step, digest

PLANS = {
    "clean": StepPlan(name="clean"),
    "prune": StepPlan(name="prune", params={"ratio": 0.3}),
    "static-int8": StepPlan(name="static-int8", params={"weights": "s8", "activations": "u8", "per_channel": True}),
}


@pytest.fixture
def calibration(tmp_path, digits) -> Path:
    path = tmp_path / "calibration.npz"
    np.savez(path, X=digits.train["X"][:256])
    return path


@pytest.fixture
def cleaned(tmp_path, digits, calibration) -> Path:
    """What the steps after `clean` get."""
    folder = tmp_path / "cleaned"
    folder.mkdir()
    question = StepQuestion(
        plan=PLANS["clean"], model=str(digits.path), calibration=str(calibration), folder=str(folder)
    )
    return Path(children.ask(STEPPER, question, Outcome, name="clean", folder=folder, timeout_s=60).path)


STEPPER = "edgewright.hub.optimize.making.stepper"


def test_cleaning_changes_no_answer_and_fuses_layers(tmp_path, digits, cleaned):
    rows = digits.holdout["X"]

    before, after = answers(digits.path, rows), answers(cleaned, rows)

    assert np.array_equal(before["label"], after["label"])
    assert np.allclose(before["probabilities"], after["probabilities"], rtol=0, atol=1e-6)
    assert [node.op_type for node in onnx.load(cleaned).graph.node].count("Gemm") == 3


def test_a_forest_is_cleaned_without_a_change(tmp_path, wine):
    outcome = check_step(PLANS["clean"], wine.path, tmp_path / "none.npz", wine.holdout["X"], tmp_path)

    before, after = answers(wine.path, wine.holdout["X"]), answers(Path(outcome.path), wine.holdout["X"])
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_pruning_zeroes_the_share_asked_for(tmp_path, digits, cleaned, calibration):
    outcome = check_step(PLANS["prune"], cleaned, calibration, digits.holdout["X"], tmp_path)

    for tensor in onnx.load(outcome.path).graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.ndim == 2 and weights.size >= 256:
            assert np.mean(weights == 0) == pytest.approx(0.3, abs=0.01)


def test_pruning_leaves_no_negative_zero():
    weights = np.array([[-0.0, 0.0, -1e-9], [1.0, -2.0, 3.0]], np.float32)

    pruned = smallest_to_zero(weights, 0.5)

    assert not np.signbit(pruned[0]).any()
    assert pruned.tolist() == [[0.0, 0.0, 0.0], [1.0, -2.0, 3.0]]
    assert pruned.dtype == np.float32


def test_static_int8_is_a_third_of_the_size_and_keeps_nearly_every_class(tmp_path, digits, cleaned, calibration):
    outcome = check_step(PLANS["static-int8"], cleaned, calibration, digits.holdout["X"], tmp_path)

    before, after = answers(digits.path, digits.holdout["X"]), answers(Path(outcome.path), digits.holdout["X"])
    agreement = np.mean(before["label"] == after["label"])
    ratio = digits.path.stat().st_size / Path(outcome.path).stat().st_size
    print(f"int8: {ratio:.2f} times smaller, {agreement:.2%} of the classes kept")  # noqa: T201
    assert ratio > 3.2
    assert agreement >= 0.99


def test_a_child_process_gives_the_bytes_that_this_process_gives(tmp_path, digits, cleaned, calibration):
    outcome = check_step(PLANS["static-int8"], cleaned, calibration, digits.holdout["X"], tmp_path)
    folder = tmp_path / "child"
    folder.mkdir()
    question = StepQuestion(
        plan=PLANS["static-int8"], model=str(cleaned), calibration=str(calibration), folder=str(folder)
    )

    from_child = children.ask(STEPPER, question, Outcome, name="static-int8", folder=folder, timeout_s=60)

    assert digest(from_child) == digest(outcome)


def test_a_step_that_crashes_is_an_error_that_names_it(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x0anonsense")
    question = StepQuestion(plan=PLANS["clean"], model=str(broken), calibration="", folder=str(tmp_path))

    with pytest.raises(children.StepFailed, match="step clean ended with status 1"):
        children.ask(STEPPER, question, Outcome, name="step clean", folder=tmp_path, timeout_s=60)


def test_a_step_that_hangs_is_an_error_that_names_it(tmp_path, digits):
    question = StepQuestion(plan=PLANS["clean"], model=str(digits.path), calibration="", folder=str(tmp_path))

    with pytest.raises(children.StepFailed, match="step clean did not end in time"):
        children.ask(STEPPER, question, Outcome, name="step clean", folder=tmp_path, timeout_s=0.05)


def test_an_unknown_step_is_not_found():
    with pytest.raises(NotFound, match="no step 'polish'"):
        step("polish")


def test_what_a_step_lacks_is_told_with_what_brings_it():
    abouts = {
        "one": About(summary="", modules=("no_such_module",), extra="torch"),
        "two": About(summary="", modules=("no_such_module", "nor_this.one"), extra="torch"),
        "apart": About(summary="", toolchain="far"),
        "whole": About(summary="", modules=("numpy",), toolchain="there"),
    }

    missing = {name: lack(name, about, {"there"}) for name, about in abouts.items()}

    assert missing == {
        "one": "step one needs no_such_module, which is not installed (the extra torch brings it)",
        "two": "step two needs no_such_module and nor_this.one, which are not installed (the extra torch brings them)",
        "apart": "step apart needs the toolchain far, which is not installed (edgewright hub toolchain install far)",
        "whole": "",
    }
