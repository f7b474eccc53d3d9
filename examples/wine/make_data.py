"""Writes scikit-learn's wine as a dataset: `python make_data.py`. See ../digits/make_data.py."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

HERE = Path.cwd()

wine = load_wine()
order = np.random.default_rng(0).permutation(len(wine.data))
measurements, label = wine.data[order].astype(np.float32), wine.target[order].astype(np.int64)
parts = {"data/train.npz": slice(0, 100), "data/holdout.npz": slice(100, 138), "field/field.npz": slice(138, None)}
for path, rows in parts.items():
    place = HERE / path
    place.parent.mkdir(parents=True, exist_ok=True)
    np.savez(place, measurements=measurements[rows], label=label[rows])
    print(f"{path}: {len(label[rows])} wines of 13 measurements")
