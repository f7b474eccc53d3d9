"""What the agent's tests share: trained models, and a device's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from on_disk import ModelOnDisk, Trained, train
from sklearn.datasets import load_digits

from edgewright import plugins


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return (load_digits().data / 16).astype(np.float32)


@pytest.fixture(scope="session")
def good(images: np.ndarray) -> Trained:
    return train(images, load_digits().target)


@pytest.fixture(scope="session")
def shuffled(images: np.ndarray) -> Trained:
    """Trained on labels in random order: it passes its own golden test and is useless."""
    return train(images, np.random.default_rng(0).permutation(load_digits().target))


@pytest.fixture
def device(tmp_path: Path) -> ModelOnDisk:
    return ModelOnDisk(tmp_path / "agent")


@pytest.fixture
def one_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is installed here: each runtime is asked in a process of its own."""
    monkeypatch.setattr(plugins, "names", lambda group: ["onnxruntime"])
