"""Operators that a target does not take are refused by name, with the targets that do."""

from __future__ import annotations

import pytest

from edgewright.contract.api import ModelFormat
from edgewright.hub.optimize.operators import (
    ToolchainMissing,
    UnsupportedOperator,
    WrongFormat,
    check_format,
    check_operators,
    check_toolchain,
    unsupported,
)
from edgewright.hub.optimize.targets import target, targets

CNN = ("Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax")
FOREST = ("TreeEnsembleClassifier", "Cast")


def test_a_convolutional_network_goes_everywhere():
    assert {name: found for name, one in targets().items() if (found := unsupported(CNN, one))} == {}


def test_an_operator_that_a_runtime_lacks_is_named_with_the_targets_that_have_it():
    with pytest.raises(UnsupportedOperator) as caught:
        check_operators(FOREST, target("raspberry-pi-5-litert"), targets().values())

    assert "TreeEnsembleClassifier is not known to litert" in caught.value.message
    assert "cpu-fp32" in caught.value.hint
    assert "litert" not in caught.value.hint
    assert caught.value.field == "targets"


def test_a_tflite_file_goes_only_where_tflite_files_run():
    check_format(ModelFormat.TFLITE, target("nrf52840"))
    check_format(ModelFormat.ONNX, target("nrf52840"))

    with pytest.raises(WrongFormat, match=r"the version is a \.tflite file, and cpu-int8 runs onnx files"):
        check_format(ModelFormat.TFLITE, target("cpu-int8"))


def test_openvino_takes_no_tree_ensembles_and_microcontrollers_no_exponents():
    assert unsupported(FOREST, target("x86-64-openvino")) == ("TreeEnsembleClassifier",)
    assert unsupported(("Exp", "Conv"), target("nrf52840")) == ("Exp",)
    assert unsupported(("Exp", "Conv"), target("raspberry-pi-5-litert")) == ()


@pytest.mark.optimize
def test_litert_s_list_is_what_its_converter_lowers():
    from edgewright.hub.optimize.steps.compilers.tflite.convert import FOLDED, LOWER

    assert set(target("raspberry-pi-5-litert").operators) == {*LOWER, *FOLDED}
    assert set(target("nrf52840").operators) < {*LOWER, *FOLDED}


def test_a_target_without_a_list_takes_everything():
    check_operators(FOREST, target("cpu-fp32"), targets().values())


def test_a_compiler_that_cannot_be_had_is_said_so():
    with pytest.raises(ToolchainMissing, match="edgetpu_compiler comes only from Google"):
        check_toolchain(target("coral-dev-board"))
    check_toolchain(target("ethos-u55-128"))
