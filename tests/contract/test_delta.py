"""Deltas at their doors: real pairs of models, files that appear whole or not at all, and the command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from edgewright.contract import delta
from edgewright.contract.errors import HostileInput

LIMIT_BYTES = 1 << 24


class Calibration(CalibrationDataReader):
    """The first digits, one at a time."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = iter(images[:20])

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"X": image[None]}


@pytest.fixture(scope="session")
def digits_pair(tmp_path_factory) -> Path:
    """base.onnx and the fine-tuned new.onnx of a digits MLP, and both as static int8 QDQ."""
    folder = tmp_path_factory.mktemp("digits")
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    model = MLPClassifier((128, 64), random_state=0, max_iter=12).fit(images[:1200], labels[:1200])
    save(model, images, folder / "base.onnx")
    model.set_params(warm_start=True, max_iter=5, learning_rate_init=2e-4).fit(images[600:], labels[600:])
    save(model, images, folder / "new.onnx")
    for name in ("base", "new"):
        quantize_static(
            folder / f"{name}.onnx",
            folder / f"{name}.int8.onnx",
            Calibration(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    return folder


def save(model: MLPClassifier, images: np.ndarray, path: Path) -> None:
    path.write_bytes(to_onnx(model, images[:1], options={"zipmap": False}).SerializeToString())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("suffix", "share"), [("onnx", 0.75), ("int8.onnx", 0.6)])
def test_a_fine_tuned_model_costs_a_fraction_of_the_deflated_file(suffix, share, digits_pair, tmp_path):
    base, new = digits_pair / f"base.{suffix}", digits_pair / f"new.{suffix}"

    stats = delta.make(base, new, tmp_path / "d")
    digest = delta.apply(base, tmp_path / "d", tmp_path / "out", max_result_bytes=LIMIT_BYTES)

    assert (tmp_path / "out").read_bytes() == new.read_bytes()
    assert digest == hashlib.sha256(new.read_bytes()).hexdigest()
    assert stats.delta_bytes == (tmp_path / "d").stat().st_size
    assert stats.delta_bytes <= share * len(zlib.compress(new.read_bytes(), 9))


def test_an_exporter_that_numbers_tensors_anew_costs_little_more(digits_pair, tmp_path):
    base, new = digits_pair / "base.onnx", digits_pair / "new.onnx"
    renamed = written(tmp_path / "renamed.onnx", new.read_bytes().replace(b"coefficient", b"MatMul_7_01"))

    plain = delta.make(base, new, tmp_path / "d")
    other = delta.make(base, renamed, tmp_path / "e")

    assert delta.apply(base, tmp_path / "e", tmp_path / "out", max_result_bytes=LIMIT_BYTES)
    assert other.delta_bytes < plain.delta_bytes + 100


def test_the_same_file_again_costs_under_300_bytes(digits_pair, tmp_path):
    base = digits_pair / "base.onnx"

    stats = delta.make(base, base, tmp_path / "d")

    assert stats.delta_bytes < 300
    assert stats.tensors_copied > 0
    assert stats.tensors_changed == stats.tensors_grouped == stats.tensors_raw == 0


def test_an_unknown_file_costs_no_more_than_deflated(tmp_path):
    random = np.random.default_rng(0)
    base = written(tmp_path / "base", random.bytes(5000))
    new = written(tmp_path / "new", bytes(random.integers(0, 16, 200_000, np.uint8)))

    stats = delta.make(base, new, tmp_path / "d")

    assert stats.delta_bytes <= 1.01 * len(zlib.compress(new.read_bytes(), 9))


def test_equal_ranges_of_unknown_files_are_copied_wherever_they_went(tmp_path):
    random = np.random.default_rng(0)
    left, right = random.bytes(100_000), random.bytes(100_000)
    base = written(tmp_path / "base", left + right)
    new = written(tmp_path / "new", right + b"between" + left)

    stats = delta.make(base, new, tmp_path / "d")

    assert stats.delta_bytes < 300


@pytest.mark.parametrize(("before", "after"), [(b"", b""), (b"", b"new"), (b"old", b""), (b"old", b"new")])
def test_tiny_and_empty_files_work(before, after, tmp_path):
    base, new = written(tmp_path / "base", before), written(tmp_path / "new", after)

    delta.make(base, new, tmp_path / "d")
    delta.apply(base, tmp_path / "d", tmp_path / "out", max_result_bytes=10)

    assert (tmp_path / "out").read_bytes() == after


def test_a_refused_delta_leaves_the_old_result_and_no_part_of_the_new(tmp_path):
    base, new = written(tmp_path / "base", b"old" * 100), written(tmp_path / "new", b"new" * 100)
    delta.make(base, new, tmp_path / "d")
    data = bytearray((tmp_path / "d").read_bytes())
    data[40] ^= 1  # in the result's digest
    out = written(tmp_path / "out", b"before")

    with pytest.raises(HostileInput):
        delta.apply(base, written(tmp_path / "d", bytes(data)), out, max_result_bytes=LIMIT_BYTES)

    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "d", "new", "out"]


def test_the_command_line_makes_and_applies(tmp_path):
    written(tmp_path / "base", b"old" * 100)
    new = written(tmp_path / "new", b"new" * 100)

    made = command(tmp_path, "make", "base", "new", "d")
    applied = command(tmp_path, "apply", "base", "d", "out", "300")

    assert json.loads(made.stdout)["result_bytes"] == 300
    assert applied.returncode == 0
    assert applied.stdout.strip() == hashlib.sha256(new.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("apply", "new", "d", "out", "300"), "wrong_base"),
        (("apply", "base", "d", "out", "299"), "hostile_input"),
        (("apply", "base", "nowhere", "out", "300"), "io_error"),
    ],
)
def test_the_command_line_refuses_with_one_line_of_json(arguments, code, tmp_path):
    base, new = written(tmp_path / "base", b"old" * 100), written(tmp_path / "new", b"new" * 100)
    delta.make(base, new, tmp_path / "d")

    refused = command(tmp_path, *arguments)

    assert refused.returncode == 1
    assert json.loads(refused.stderr)["code"] == code
    assert not (tmp_path / "out").exists()


def test_a_device_loads_neither_the_maker_nor_any_model_library(tmp_path):
    listing = "import sys; from edgewright.contract.delta import apply; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()

    assert "edgewright.contract.delta.applier" in loaded
    assert not {"edgewright.contract.delta.maker", "onnx", "onnxruntime", "zstandard", "safetensors"} & set(loaded)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "edgewright.contract.delta", *arguments]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
