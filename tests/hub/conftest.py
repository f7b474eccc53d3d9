"""Real rooms on a real database with a clock that the test holds, and small real models with their data."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgewright.contract.api import Role
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Keys, Principal
from edgewright.hub.registry import Blobs
from scenes.databases import new_database


@pytest.fixture
def clock():
    return itertools.count(1_000.0).__next__


@pytest.fixture
def db(tmp_path):
    database = new_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def events(db, clock):
    return Events(db, clock)


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


@pytest.fixture
def audit(db, clock, keys):
    return Audit(db, clock, keys.audit)


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def ana():
    return Principal(name="ana", roles=(Role.ENGINEER, Role.OPERATOR))


@dataclass(frozen=True)
class Trained:
    """A trained model's ONNX file, and the rows it learned from and is measured on."""

    path: Path
    train: dict[str, np.ndarray]
    holdout: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Trained:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    pixels, truth = load_digits(return_X_y=True)
    classifier = MLPClassifier((256, 128), max_iter=25, random_state=0)
    return _trained(tmp_path_factory.mktemp("digits"), classifier, pixels / 16, truth, learn=1300)


@pytest.fixture(scope="session")
def wine(tmp_path_factory) -> Trained:
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    columns, truth = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(truth))
    classifier = RandomForestClassifier(30, random_state=0)
    return _trained(tmp_path_factory.mktemp("wine"), classifier, columns[order], truth[order], learn=120)


def _trained(folder: Path, classifier, features: np.ndarray, truth: np.ndarray, *, learn: int) -> Trained:
    import skl2onnx

    rows = features.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier.fit(rows[:learn], truth[:learn])
    model = skl2onnx.to_onnx(classifier, rows[:1], options={"zipmap": False}, target_opset=21)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return Trained(
        path=path,
        train={"X": rows[:learn], "label": truth[:learn].astype(np.int64)},
        holdout={"X": rows[learn:], "label": truth[learn:].astype(np.int64)},
    )
