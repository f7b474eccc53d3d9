"""Preprocessing through the whole life: declared, registered, quantised, released, installed, and raw data answered.

By the command line, on a real hub and a real agent; and apps on the device that require another contract stop an offer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from edgewright.agent import Model
from edgewright.agent.disk import apps
from scenes import words
from scenes.desk import Desk, until
from scenes.publishing import APPROVER

pytestmark = pytest.mark.e2e

SIDE, SMALL = 24, 12
MEAN, STD = 0.3, 0.4

FRAMES = f"""
[project]
model = "frames"
[data]
dataset = "frames"
[train]
command = "true"
code = []

[contract.inputs.image]
kind = "image"
height = {SIDE}
width = {SIDE}
dtype = "uint8"
shape = [-1, {SIDE}, {SIDE}]

[[contract.preprocessing]]
step = "resize"
input = "image"
layout = "hw"
height = {SMALL}
width = {SMALL}
method = "bilinear-antialias"

[[contract.preprocessing]]
step = "cast"
input = "image"
dtype = "float32"
factor = {1 / 255!r}

[[contract.preprocessing]]
step = "normalise"
input = "image"
mean = [{MEAN}]
std = [{STD}]

[[contract.preprocessing]]
step = "reshape"
input = "image"
output = "X"
shape = [{SMALL * SMALL}]
"""

TEXTS = """
[project]
model = "texts"
[data]
dataset = "texts"
[train]
command = "true"
code = []

[contract]
version = 2

[contract.inputs.text]
dtype = "str"
shape = [-1]

[[contract.preprocessing]]
step = "tokenise"
input = "text"
output = "ids"
mask = "mask"
table = "vocab.txt"
max_length = 12
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    try:
        desk.start_hub()
        desk.add_person(APPROVER, "approver")
        yield desk
    finally:
        desk.close()


def frames(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits as a camera would bring them: bytes, and larger than the model wants."""
    pixels, labels = load_digits(return_X_y=True)
    pictures = (pixels[:count].reshape(-1, 8, 8) * 15).astype(np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in pictures]
    return np.stack(large), labels[:count].astype(np.int64)


def trained_on(pictures: np.ndarray) -> np.ndarray:
    """What the training code makes of frames, with Pillow."""
    small = [np.asarray(Image.fromarray(one).resize((SMALL, SMALL), Image.Resampling.BILINEAR)) for one in pictures]
    return ((np.stack(small) / 255 - MEAN) / STD).astype(np.float32).reshape(len(pictures), -1)


def write(folder: Path, toml: str, model: bytes, name: str, rows: np.ndarray, labels: np.ndarray) -> Path:
    """A project: its file, its model, and its raw rows."""
    (folder / "data").mkdir(parents=True)
    (folder / "edgewright.toml").write_text(toml)
    (folder / "model.onnx").write_bytes(model)
    (folder / "vocab.txt").write_text(words.TABLE)
    middle = len(rows) * 2 // 3
    for part, chosen in (("train", slice(0, middle)), ("holdout", slice(middle, None))):
        np.savez(folder / "data" / f"{part}.npz", **{name: rows[chosen]}, label=labels[chosen])
    return folder


def release(desk: Desk, project: Path, name: str, target: str, step: str = "clean") -> str:
    """Registered, optimised, packaged, signed and approved: 'model/counter'."""
    snapshot = desk.done("data", "snapshot", name, str(project / "data"))["id"]
    register = ["model", "register", str(project / "model.onnx"), "--name", name, "--project", str(project)]
    version = desk.done(*register, "--snapshot", snapshot)
    reference = f"{name}@{version['version']}"
    desk.done("optimize", "run", reference, "--target", target, "--recipe", "clean", "--recipe", f"clean → {step}")
    choose(desk, name, version["version"], target, step)
    built: str = desk.done("release", "build", reference)["id"]
    desk.done("release", "sign", built)
    desk.done("release", "approve", built, user=APPROVER)
    return built


def choose(desk: Desk, name: str, version: int, target: str, step: str) -> None:
    """Whatever is faster here: the trial with that step is the variant, if it is on the front."""
    trials = desk.client().study(name, version, target).trials
    for trial in trials:
        if trial.is_on_front and any(step in line for line in trial.recipe):
            desk.client().choose(name, version, target, trial.id)


def enrol(desk: Desk) -> None:
    """One device, alone in its group."""
    desk.agent("device", desk.done("device", "claim", "--label", "site=berlin")["tokens"][0])
    until(lambda: len(desk.client().devices.list()) == 1, "the device is enrolled")
    desk.done("group", "create", "berlin", "--selector", "site=berlin")


def roll_out(desk: Desk, built: str) -> str:
    """Started, to the only device there is."""
    started = ["rollout", "start", built, "--group", "berlin", "--waves", "1", "--shadow-requests", "0"]
    id: str = desk.done(*started)["id"]
    return id


def test_raw_data_on_the_device_gives_what_the_training_code_gave(desk: Desk, tmp_path: Path) -> None:
    import skl2onnx

    pictures, labels = frames(900)
    mlp = MLPClassifier((32,), max_iter=80, random_state=0).fit(trained_on(pictures[:600]), labels[:600])
    exported = skl2onnx.to_onnx(mlp, trained_on(pictures[:1]), options={"zipmap": False}, target_opset=17)
    texts, badness = words.rows(150)
    projects = [
        write(tmp_path / "frames", FRAMES, exported.SerializeToString(), "image", pictures, labels),
        write(tmp_path / "texts", TEXTS, words.onnx(), "text", texts, badness),
    ]
    enrol(desk)

    roll_out(desk, release(desk, projects[0], "frames", "cpu-int8", "static-int8"))
    roll_out(desk, release(desk, projects[1], "texts", "cpu-fp32"))

    folder = tmp_path / "device"
    variant = desk.client().models.variants("frames", 1)[0]
    assert any("static-int8" in step for step in variant.recipe)
    assert variant.source_accuracy == pytest.approx(mlp.score(trained_on(pictures[600:]), labels[600:]), abs=0.01)
    assert variant.accuracy > 0.8
    with Model("frames", folder, app="line-3") as model:
        model.wait_ready(60.0)
        answers = model.predict(image=pictures[600:])
        assert np.mean(answers["label"] == mlp.predict(trained_on(pictures[600:]))) > 0.97
    with Model("texts", folder, contract=">=2", app="line-3") as model:
        model.wait_ready(60.0)
        np.testing.assert_allclose(model.predict(text=texts)["scores"], words.scores(texts), rtol=1e-3, atol=1e-5)
    assert [(one.app, one.model, one.required) for one in apps.declarations(folder)] == [
        ("line-3", "frames", ""),
        ("line-3", "texts", ">=2"),
    ]


def test_an_offer_that_an_app_on_the_device_cannot_use_is_refused_and_the_hub_told(desk: Desk, tmp_path: Path) -> None:
    texts, badness = words.rows(60)
    project = write(tmp_path / "texts", TEXTS, words.onnx(), "text", texts, badness)
    apps.declare(tmp_path / "device", "line-4", "texts", ">=3", 0.0)
    enrol(desk)

    id = roll_out(desk, release(desk, project, "texts", "cpu-fp32"))

    until(lambda: "refused" in desk.run("rollout", "show", id, "--json").out, "the hub knows of the refusal")
    told = desk.run("rollout", "show", id, "--json").out
    assert "the app 'line-4' could not use it: contract.version: >=3 is required, the package offers 2" in told
    assert not (tmp_path / "device" / "staging" / "texts").is_dir() or not any(
        path.stat().st_size > 100_000 for path in (tmp_path / "device" / "staging" / "texts").iterdir()
    )


def test_steps_that_lead_elsewhere_are_refused_at_registration(desk: Desk, tmp_path: Path) -> None:
    texts, badness = words.rows(60)
    project = write(tmp_path / "texts", TEXTS, words.onnx(), "text", texts, badness)
    register = ["model", "register", str(project / "model.onnx"), "--name", "texts", "--project", str(project)]

    (project / "vocab.txt").rename(project / "words.txt")
    lacking = desk.run(*register)
    (project / "words.txt").rename(project / "vocab.txt")
    (project / "edgewright.toml").write_text(TEXTS.replace("max_length = 12", "max_length = 13"))
    longer = desk.run(*register)
    (project / "edgewright.toml").write_text(TEXTS.replace('mask = "mask"', 'maks = "mask"'))
    unknown = desk.run(*register)

    assert (lacking.code, longer.code, unknown.code) == (1, 1, 1)
    assert "a step needs the table vocab.txt; there is no" in " ".join(lacking.err.split())
    assert "step 1, tokenise, makes ids as int64 [any, 13], the model has int64 [any, 12]" in " ".join(
        longer.err.split()
    )
    assert "contract.preprocessing[0]" in unknown.err
    assert "maks" in unknown.err
