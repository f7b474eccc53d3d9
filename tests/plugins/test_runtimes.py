"""Our runtimes pass the checks that every runtime must pass, and the loader tells what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from runtime_checks import RuntimeChecks

from edgewright import plugins
from edgewright.agent.runtimes import (
    GROUP,
    InferenceFailed,
    ModelUnreadable,
    RuntimeMissing,
    RuntimeUnfit,
    load_runtime,
    start_runtime,
)
from edgewright.agent.runtimes.engines import engine_folder
from edgewright.contract.errors import NotFound
from edgewright.contract.manifest import Runtime
from plugins import small_models

ONNX_MODELS = {
    "linear.onnx": small_models.onnx_linear,
    "convolution.onnx": small_models.onnx_convolution,
    "int8.onnx": small_models.onnx_int8,
}
TFLITE_MODELS = {
    "linear.tflite": lambda: _tflite().tflite_linear(),
    "one-row.tflite": lambda: _tflite().tflite_linear(batch=1),
    "no-signature.tflite": lambda: _tflite().tflite_linear(has_signature=False),
    "convolution.tflite": lambda: _tflite().tflite_convolution(),
    "int8.tflite": lambda: _tflite().tflite_int8(),
}
ELSEWHERE = ("CUDAExecutionProvider", "TensorrtExecutionProvider", "OpenVINOExecutionProvider")


class TestOnnxRuntime(RuntimeChecks):
    """ONNX Runtime on the processor."""

    name, provider = "onnxruntime", "CPUExecutionProvider"
    models = ONNX_MODELS | {"strings.onnx": small_models.onnx_strings}


@pytest.mark.parametrize("provider", [*ELSEWHERE, "XnnpackExecutionProvider"])
def test_onnx_runtime_computes_with_other_providers_alike(tmp_path: Path, provider: str) -> None:
    if provider not in onnxruntime.get_available_providers():
        pytest.skip(f"this build of onnxruntime has no {provider}")
    small = small_models.onnx_linear()
    (tmp_path / "slot").mkdir()
    path = tmp_path / "slot" / "model.onnx"
    path.write_bytes(small.data)

    outputs = start_runtime("onnxruntime").load(path, provider).run(small.feeds)

    np.testing.assert_allclose(outputs["scores"], small.outputs["scores"], rtol=1e-3, atol=1e-5)
    assert list(path.parent.iterdir()) == [path]


def test_a_provider_that_would_compute_nothing_of_the_model_is_refused(tmp_path: Path) -> None:
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has no provider that takes no part of a model")
    path = tmp_path / "model.onnx"
    path.write_bytes(small_models.onnx_linear().data)

    with pytest.raises(ModelUnreadable, match="no part of this model"):
        start_runtime("onnxruntime").load(path, "AzureExecutionProvider")


def test_engines_lie_beside_the_slot_and_go_with_the_model(tmp_path: Path) -> None:
    model = tmp_path / "a" / "model.onnx"
    model.parent.mkdir()
    model.write_bytes(b"one")
    first = engine_folder(model)
    (first / "engine").write_bytes(b"e")
    model.write_bytes(b"two")

    second = engine_folder(model)

    assert engine_folder(tmp_path / "nowhere" / "model.onnx") is None
    assert list(model.parent.iterdir()) == [model]
    assert first.parent == second.parent == tmp_path / "a.engines"
    assert list(first.parent.iterdir()) == [second]


class TestOpenVino(RuntimeChecks):
    """OpenVINO on the processor; its own files come from ONNX by its own converter."""

    name, provider = "openvino", "CPU"
    models = ONNX_MODELS

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("openvino", reason="the extra openvino is not installed")

    def test_it_reads_its_own_format_with_the_weights_beside_it(self, tmp_path: Path) -> None:
        small = small_models.onnx_linear()
        path = _as_ir(tmp_path, small.data)

        outputs = start_runtime("openvino").load(path, "CPU").run(small.feeds)

        np.testing.assert_allclose(outputs["scores"], small.outputs["scores"], rtol=1e-3, atol=1e-5)

    def test_weights_that_are_missing_or_cut_are_unreadable(self, tmp_path: Path) -> None:
        path = _as_ir(tmp_path, small_models.onnx_linear().data)
        weights = path.with_suffix(".bin")
        weights.write_bytes(weights.read_bytes()[:-8])

        with pytest.raises(ModelUnreadable):
            start_runtime("openvino").load(path, "CPU")
        weights.unlink()
        with pytest.raises(ModelUnreadable):
            start_runtime("openvino").load(path, "CPU")

    def test_it_is_never_left_to_choose_a_device(self, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(small_models.onnx_linear().data)

        for device in ("AUTO", "AUTO:CPU", "HETERO:CPU", "NPU.7"):
            with pytest.raises(ModelUnreadable, match="no device"):
                start_runtime("openvino").load(path, device)


class TestLiteRt(RuntimeChecks):
    """LiteRT with XNNPACK's kernels."""

    name, provider = "litert", "XNNPACK"

    models = TFLITE_MODELS

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("ai_edge_litert", reason="the extra litert is not installed")

    def test_its_own_kernels_give_the_same(self, tmp_path: Path) -> None:
        for name, build in self.models.items():
            small, path = build(), tmp_path / name
            path.write_bytes(small.data)

            outputs = start_runtime("litert").load(path, "CPU").run(small.feeds)

            for output, wanted in small.outputs.items():
                np.testing.assert_allclose(outputs[output], wanted, rtol=1e-3, atol=small.atol)

    def test_floats_are_not_quantised_behind_the_apps_back(self, tmp_path: Path) -> None:
        path = tmp_path / "int8.tflite"
        path.write_bytes(self.models["int8.tflite"]().data)

        with pytest.raises(InferenceFailed, match="takes int8, not float32"):
            start_runtime("litert").load(path, "XNNPACK").run({"x": np.zeros((1, 4), np.float32)})


def test_an_unknown_plug_in_is_told_with_those_that_are_installed() -> None:
    with pytest.raises(NotFound) as caught:
        plugins.load(GROUP, "abacus")

    assert "onnxruntime" in caught.value.message


def test_a_runtime_whose_extra_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(RuntimeMissing, match="openvino is not installed"):
        start_runtime("openvino")


@pytest.mark.parametrize(("minimum", "below", "fits"), [("1.17", "2", True), ("99", "100", False), ("0.1", "1", False)])
def test_a_runtime_must_lie_within_what_the_package_needs(minimum: str, below: str, fits: bool) -> None:
    needed = Runtime(name="onnxruntime", minimum=minimum, below=below)

    if fits:
        assert load_runtime(needed).version
        return
    with pytest.raises(RuntimeUnfit):
        load_runtime(needed)


def _as_ir(folder: Path, data: bytes) -> Path:
    import openvino

    source, path = folder / "source.onnx", folder / "model.xml"
    source.write_bytes(data)
    openvino.save_model(openvino.Core().read_model(source), path, compress_to_fp16=False)
    return path


def _tflite():
    from plugins import small_tflite

    return small_tflite
