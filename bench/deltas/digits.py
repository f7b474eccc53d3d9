"""Train a CNN of 0.6 M parameters on scikit-learn's digits, then further with later images, as its users do.

`python -m deltas.digits FOLDER` writes every file: fp32 and int8 (QDQ per channel) of each version.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from deltas.quantized import quantize_per_channel

FIRST_IMAGES, NEW_IMAGES = 900, 150  # the base's; what each version adds
VERSIONS = 5


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    labels = torch.tensor(labels)
    base = fresh(seed=0)
    train(base, images[:FIRST_IMAGES], labels[:FIRST_IMAGES], epochs=25, rate=3e-4)
    save(base, images, folder, "base")
    save_versions(base, images, labels, folder)
    head = deepcopy(base)
    train(head, images, labels, epochs=2, rate=1e-4, only=head[-1].parameters())
    save(head, images, folder, "head")
    other = fresh(seed=1)
    train(other, images, labels, epochs=25, rate=3e-4)
    save(other, images, folder, "scratch")


def save_versions(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, folder: Path) -> None:
    """Each version is the last one, fine-tuned with 150 images more."""
    model = deepcopy(model)
    for version in range(1, VERSIONS + 1):
        seen = FIRST_IMAGES + version * NEW_IMAGES
        train(model, images[:seen], labels[:seen], epochs=2, rate=1e-4)
        right = (model(images[seen:]).argmax(1) == labels[seen:]).float().mean()
        print(f"version {version}: {right:.3f} of the images to come are told right", file=sys.stderr)
        save(model, images, folder, f"v{version}")


def fresh(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 32, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(32, 64, 3, padding=1), nn.LeakyReLU(0.1)]
    layers += [nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, padding=1), nn.LeakyReLU(0.1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(2048, 256), nn.LeakyReLU(0.1), nn.Linear(256, 10))


def train(
    model: nn.Sequential,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    epochs: int,
    rate: float,
    only: Iterable[nn.Parameter] | None = None,
) -> None:
    """Adam, on images with a little noise added, which keeps more of the units alive."""
    optimizer = torch.optim.Adam(model.parameters() if only is None else only, lr=rate)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            seen = images[batch] + 0.1 * torch.randn(images[batch].shape, generator=generator)
            nn.functional.cross_entropy(model(seen), labels[batch]).backward()
            optimizer.step()


def save(model: nn.Sequential, images: torch.Tensor, folder: Path, name: str) -> None:
    path = folder / f"{name}.onnx"
    axes = {"dynamic_shapes": ({0: "n"},), "external_data": False, "verbose": False}
    torch.onnx.export(model, (images[:2],), path, input_names=["x"], dynamo=True, **axes)
    feeds = [{"x": images[:100].numpy()}]
    quantize_per_channel(path, folder / f"{name}.channels.onnx", feeds)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
