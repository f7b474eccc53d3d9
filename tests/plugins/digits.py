"""Digits to train on: scikit-learn's 1,797 images, a CNN and a ResNet-8 that know them, and a forest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.optimize.steps import StepContext
from plugins import zoo

LABEL = "label"
HELD_OUT = 500


@dataclass(frozen=True)
class School:
    """A trained model, the rows that it learned from, others, and its contract."""

    model: Path
    train: Path
    holdout: Path
    contract: Contract

    def context(self, folder: Path, **changes: object) -> StepContext:
        """What a step gets that works in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        given = {"calibration": self.calibration(folder.parent), "train": self.train, "label_key": LABEL}
        given |= {"contract": self.contract, "teacher": self.model}
        return StepContext(folder=folder, **(given | changes))

    def calibration(self, folder: Path) -> Path:
        with np.load(self.train) as arrays:
            np.savez(folder / "calibration.npz", **{name: arrays[name][:200] for name in arrays if name != LABEL})
        return folder / "calibration.npz"

    def accuracy(self, model: Path) -> float:
        """The share of the hold-out that it names right."""
        with np.load(self.holdout) as arrays:
            rows, truth = {name: arrays[name] for name in arrays if name != LABEL}, arrays[LABEL]
        answers = run(model, rows)
        named = answers["label"] if "label" in answers else answers["scores"].argmax(1)
        return float((named.reshape(-1) == truth).mean())


def run(model: Path, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, rows), strict=True))


def cnn(folder: Path) -> School:
    """The zoo's CNN of 70 k parameters, trained for 15 s."""
    images, truth = _images(8)
    return _trained(zoo.digits_cnn(), images, truth, folder, epochs=12)


def resnet8(folder: Path) -> School:
    """The zoo's ResNet-8 on images of 32 x 32 and three channels, trained for half a minute."""
    images, truth = _images(32)
    return _trained(zoo.resnet8(), images.repeat(3, 1), truth, folder, epochs=8)


def uneven(school: School, folder: Path, *, factor: float) -> School:
    """The same function, but one channel of the first layer is `factor` times as large, and weighs as much less."""
    model = onnx.load(school.model)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    first, second = [node for node in model.graph.node if node.op_type == "Conv"][:2]
    larger, less = [(name, np.s_[0], factor) for name in first.input[1:3]], (second.input[1], np.s_[:, 0], 1 / factor)
    for name, place, by in (*larger, less):
        array = numpy_helper.to_array(tensors[name]).copy()
        array[place] *= by
        tensors[name].CopyFrom(numpy_helper.from_array(array, name))
    onnx.save(model, folder / "uneven.onnx")
    return replace(school, model=folder / "uneven.onnx")


def forest(folder: Path) -> School:
    """scikit-learn's forest on the 64 columns, with a label and probabilities."""
    from sklearn.ensemble import RandomForestClassifier

    return _estimated(RandomForestClassifier(50, random_state=0), folder)


def perceptron(folder: Path) -> School:
    """scikit-learn's perceptron with one hidden layer, with a label and probabilities."""
    from sklearn.neural_network import MLPClassifier

    return _estimated(MLPClassifier((48,), max_iter=60, random_state=0), folder)


def _estimated(estimator, folder: Path) -> School:
    import warnings

    import skl2onnx

    images, truth = _images(8)
    columns = images.reshape(len(images), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learned = estimator.fit(columns[HELD_OUT:], truth[HELD_OUT:])
        made = skl2onnx.to_onnx(learned, columns[:1], options={"zipmap": False}, target_opset=18)
    names = {made.graph.output[0].name: "label", made.graph.output[1].name: "scores", made.graph.input[0].name: "x"}
    for value in (*made.graph.output, *made.graph.input):
        value.name = names[value.name]
    for node in made.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    outputs = (
        TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL),
        TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 10), kind=Kind.SCORES),
    )
    taken = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 64))
    return _kept(made, columns, truth, folder, Contract(inputs=(taken,), outputs=outputs))


def _trained(kept: zoo.Kept, images: np.ndarray, truth: np.ndarray, folder: Path, *, epochs: int) -> School:
    """AdamW on the true labels, on pictures moved by a pixel or so."""
    import torch

    from edgewright.hub.optimize.steps.training import torching

    torch.set_num_threads(1)
    torch.manual_seed(0)
    graph = torching.of(kept.model)
    made = torching.network(graph, "scores")
    inputs, labels = torch.from_numpy(images[HELD_OUT:]), torch.from_numpy(truth[HELD_OUT:])
    optimizer = torch.optim.AdamW(made.module.parameters(), 2e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * -(-len(labels) // 32))
    reach = images.shape[-1] // 8
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels)).split(32):
            moved = torch.roll(inputs[chosen], tuple(torch.randint(-reach, reach + 1, (2,)).tolist()), (2, 3))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(made.module(moved), labels[chosen]).backward()
            optimizer.step()
            rate.step()
    taken = TensorSpec(
        name="x", dtype=Dtype.FLOAT32, shape=(None, *images.shape[1:]), kind=Kind.IMAGE,
        height=images.shape[2], width=images.shape[3],
    )  # fmt: skip
    scores = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 10), kind=Kind.SCORES)
    written = torching.write_back(graph, made)
    return _kept(written, images, truth, folder, Contract(inputs=(taken,), outputs=(scores,)))


def _kept(model: onnx.ModelProto, rows: np.ndarray, truth: np.ndarray, folder: Path, contract: Contract) -> School:
    school = School(folder / "model.onnx", folder / "train.npz", folder / "holdout.npz", contract)
    onnx.save(model, school.model)
    np.savez(school.holdout, x=rows[:HELD_OUT], **{LABEL: truth[:HELD_OUT]})
    np.savez(school.train, x=rows[HELD_OUT:], **{LABEL: truth[HELD_OUT:]})
    return school


def _images(side: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    pixels, truth = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(truth))
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)[order]
    return images.repeat(side // 8, 2).repeat(side // 8, 3), truth[order].astype(np.int64)
