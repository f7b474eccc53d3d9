"""A .tflite file through the whole life: as a source, or made of an ONNX file, to the app on a device with LiteRT."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgewright.agent import Model
from edgewright.contract.api import ModelFormat, Precision
from edgewright.hub.optimize.toolchains import installed
from plugins import small_models, small_tflite, zoo
from plugins.step_checks import answers
from scenes.desk import Desk, until
from scenes.publishing import APPROVER

TARGET = "linux-x86-64-litert" if platform.machine() == "x86_64" else "linux-arm64-litert"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    try:
        desk.start_hub("--admin-password", "a long password")
        desk.add_person(APPROVER, "approver")
        yield desk
    finally:
        desk.close()


@pytest.mark.e2e
def test_a_tflite_file_that_is_registered_serves_on_a_device(desk: Desk, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    truth = (rows @ small_models.WEIGHTS).argmax(axis=1)
    source = tmp_path / "linear.tflite"
    source.write_bytes(small_tflite.tflite_linear(batch=1).data)

    serve(desk, tmp_path, source, {"x": rows}, truth)

    (variant,) = desk.client().models.variants("lines", 1)
    assert (variant.format, variant.recipe) == (ModelFormat.TFLITE, ())
    with Model("lines", tmp_path / "device", app="line-3") as model:
        model.wait_ready(60.0)
        found = model.predict(x=rows)["scores"]
    np.testing.assert_allclose(found, rows @ small_models.WEIGHTS, rtol=1e-4, atol=1e-5)
    refused = desk.run("optimize", "run", "lines@1", "--target", "cpu-int8")
    assert refused.code == 1
    assert "the version is a .tflite file, and cpu-int8 runs onnx files" in " ".join(refused.err.split())


@pytest.mark.optimize
def test_an_onnx_network_serves_in_eight_bits_on_a_device_with_litert(desk: Desk, tmp_path: Path) -> None:
    if "litert" not in installed(Path("no-toolchains")):
        pytest.skip("the toolchain litert is not in EDGEWRIGHT_TOOLCHAINS: edgewright hub toolchain install litert")
    kept = zoo.digits_cnn()
    source = kept.save(tmp_path)
    truth = answers(source, kept.rows)["scores"].argmax(axis=1)

    serve(
        desk, tmp_path, source, dict(kept.rows), truth, "--recipe", "clean → litert precision=int8", "--max-drop", "0.1"
    )

    (variant,) = desk.client().models.variants("lines", 1)
    assert (variant.format, variant.precision) == (ModelFormat.TFLITE, Precision.INT8)
    assert variant.size_bytes * 3 < variant.source_bytes
    with Model("lines", tmp_path / "device", app="line-3") as model:
        model.wait_ready(60.0)
        found = model.predict(**kept.rows)["scores"]
    assert np.mean(found.argmax(axis=1) == truth) > 0.9


def serve(desk: Desk, folder: Path, source: Path, rows: dict[str, np.ndarray], truth: np.ndarray, *wishes: str) -> None:
    """Registered, optimised, released and rolled out to the only device there is."""
    data = folder / "data"
    data.mkdir()
    for name in ("train.npz", "holdout.npz"):
        np.savez(data / name, **rows, label=truth)
    snapshot = desk.done("data", "snapshot", "lines", str(data))["id"]
    desk.done("model", "register", str(source), "--name", "lines", "--snapshot", snapshot)
    desk.done("optimize", "run", "lines@1", "--target", TARGET, *wishes)
    built: str = desk.done("release", "build", "lines@1")["id"]
    desk.done("release", "sign", built)
    desk.done("release", "approve", built, user=APPROVER)
    desk.agent("device", desk.done("device", "claim", "--label", "site=berlin")["tokens"][0])
    until(lambda: len(desk.client().devices.list()) == 1, "the device is enrolled")
    desk.done("group", "create", "berlin", "--selector", "site=berlin")
    desk.done("rollout", "start", built, "--group", "berlin", "--waves", "1", "--shadow-requests", "0")
