"""Worlds without end, made of the real data sets inside scikit-learn: a smoothed bootstrap of their rows.

The data sets are small (wine has 178 rows), and a reference of 10 000 rows drawn from 178 ones again and again would
know each of them by heart. So the law is not the table: it is the table's kernel density (Silverman 1986, section
6.4). A draw takes a row at random, moves it by normal noise with the covariance of its class times h², and shrinks it
towards the mean of its class, so that each class keeps its mean and its covariance; h is Silverman's n^(−1/(d+4)), at
least 0.25. The label is that of the row. Digits are seen through their first 16 principal components. Training, hold-
out and live rows are draws of their own, so nothing drifts unless a figure makes it drift; what is real is the shape:
skewed, correlated, heavy-tailed columns, classes that overlap, errors that a real model makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgewright.contract.profile import Profile, Schema, build_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe.detectors import Baseline, HoldOut

N_REF = 10_000
SCORE_BINS = 32
LEAST_H = 0.25
NAMES = ("breast cancer", "wine", "diabetes", "digits")
Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class World:
    """One data set as a law that rows are drawn from, and a model of it."""

    name: str
    rows: np.ndarray
    labels: np.ndarray
    seed: int = 0

    def draw(self, count: int, random: np.random.Generator, mix: np.ndarray | None = None) -> Rows:
        """`count` rows and their labels; `mix` are the classes' shares, where they are not the data set's."""
        weights = None if mix is None else (mix / np.bincount(self.labels))[self.labels]
        places = random.choice(len(self.rows), count, p=None if weights is None else weights / weights.sum())
        labels = self.labels[places]
        rows = np.empty((count, self.rows.shape[1]))
        for label in np.unique(labels):
            mean, root, h = self._kernels[int(label)]
            mine = labels == label
            noise = h * random.normal(size=(int(mine.sum()), len(mean))) @ root
            rows[mine] = mean + (self.rows[places[mine]] - mean + noise) / np.sqrt(1 + h * h)
        return rows.astype(np.float32), labels

    @cached_property
    def spread(self) -> np.ndarray:
        """Each column's standard deviation."""
        return np.asarray(self.draw(N_REF, np.random.default_rng(self.seed + 3))[0].std(axis=0))

    @cached_property
    def training(self) -> Rows:
        """What the model and the reference are made of."""
        return self.draw(N_REF, np.random.default_rng(self.seed + 1))

    @cached_property
    def model(self) -> object:
        """A logistic regression."""
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(*self.training)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """The model's probabilities (rows, classes); a missing value counts as the mean."""
        known = np.where(np.isnan(rows), self.training[0].mean(axis=0), rows)
        return np.asarray(self.model.predict_proba(known), np.float32)  # type: ignore[attr-defined]

    @cached_property
    def schema(self) -> Schema:
        """Bins and reference: the training's rows, the hold-out's scores."""
        return build_schema(
            self.contract, self.name, 1, {"x": self.training[0]}, {"scores": self.scores(self.hold_out[0])}
        )

    @cached_property
    def contract(self) -> Contract:
        """Columns in, scores out."""
        spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, self.rows.shape[1]))
        classes = len(np.unique(self.labels))
        scores = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, classes), kind=Kind.SCORES)
        return Contract(inputs=(spec,), outputs=(scores,))

    @cached_property
    def hold_out(self) -> Rows:
        """Rows that the model has not seen."""
        return self.draw(N_REF, np.random.default_rng(self.seed + 2))

    @cached_property
    def baseline(self) -> Baseline:
        """What detectors compare with."""
        rows, labels = self.hold_out
        scores = self.scores(rows)
        predicted, top = scores.argmax(axis=1), scores.max(axis=1)
        classes = scores.shape[1]
        confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
        place = np.minimum((top * SCORE_BINS).astype(int), SCORE_BINS - 1)
        scored = np.bincount(place, minlength=SCORE_BINS)
        right = np.bincount(place, weights=predicted == labels, minlength=SCORE_BINS)
        return Baseline(self.schema, HoldOut(confusion.astype(float), scored.astype(float), right))

    def profile(self, rows: np.ndarray) -> np.ndarray:
        """The counts of a window of these rows."""
        seen = Profile(self.schema)
        if len(rows):
            seen.update({"x": rows}, {"scores": self.scores(rows)})
        return seen.counts.astype(np.float64)

    @cached_property
    def _kernels(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        found = []
        for label in range(int(self.labels.max()) + 1):
            mine = self.rows[self.labels == label]
            size, columns = mine.shape
            values, vectors = np.linalg.eigh(np.cov(mine, rowvar=False))
            root = (vectors * np.sqrt(np.maximum(values, 0))).T
            found.append((mine.mean(axis=0), root, max(LEAST_H, size ** (-1 / (columns + 4)))))
        return found


def world(name: str, seed: int = 0) -> World:
    """The world of one of `NAMES`. Diabetes is taken as two classes: progression over the median or not."""
    if name == "digits":
        data = load_digits()
        rows = PCA(16, random_state=0).fit_transform(data.data / 16.0)
        return World(name, rows, data.target, seed)
    data = {"breast cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}[name]()
    labels = data.target if name != "diabetes" else (data.target > np.median(data.target)).astype(int)
    return World(name, data.data, labels, seed)
