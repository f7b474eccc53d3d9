"""From rows to a release that is ready to roll out, by the command line alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scenes.desk import Desk

AUTHOR, APPROVER = "admin", "ben"


def write_rows(folder: Path) -> Path:
    """Scikit-learn's digits as train.npz and holdout.npz."""
    from sklearn.datasets import load_digits

    pixels, truth = load_digits(return_X_y=True)
    folder.mkdir(parents=True)
    for name, rows in (("train", slice(0, 400)), ("holdout", slice(400, 600))):
        np.savez(folder / f"{name}.npz", X=pixels[rows].astype(np.float32), label=truth[rows].astype(np.int64))
    return folder


def write_model(folder: Path, path: Path) -> Path:
    """A small classifier of those rows, as ONNX."""
    import skl2onnx
    from sklearn.linear_model import LogisticRegression

    with np.load(folder / "train.npz") as train:
        rows, truth = train["X"], train["label"]
    classifier = LogisticRegression(C=0.01, max_iter=500).fit(rows, truth)
    model = skl2onnx.to_onnx(classifier, rows[:1], options={"zipmap": False}, target_opset=17)
    path.write_bytes(model.SerializeToString())
    return path


def register(desk: Desk, model: str) -> str:
    """A version with its snapshot; returns 'model@number'."""
    rows = write_rows(desk.home / f"{model}-rows")
    snapshot = desk.done("data", "snapshot", model, str(rows))["id"]
    file = write_model(rows, desk.home / f"{model}.onnx")
    version = desk.done("model", "register", str(file), "--name", model, "--snapshot", snapshot)
    return f"{model}@{version['version']}"


def publish(desk: Desk, version: str) -> str:
    """Optimised, packaged, signed by its author and approved by somebody else; returns 'model/counter'."""
    desk.done("optimize", "run", version, "--target", "cpu-fp32")
    release: str = desk.done("release", "build", version)["id"]
    desk.done("release", "sign", release)
    desk.add_person(APPROVER, "approver")
    desk.done("release", "approve", release, user=APPROVER)
    return release
