"""Writes scikit-learn's digits as a dataset: `python make_data.py`.

data/train.npz and data/holdout.npz are the dataset. field/field.npz is what the devices' cameras will see: rows that
are in neither, so that nothing is learned from the answers.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

HERE = Path.cwd()

digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.data))
image, label = digits.data[order].astype(np.float32), digits.target[order].astype(np.int64)
parts = {"data/train.npz": slice(0, 700), "data/holdout.npz": slice(700, 900), "field/field.npz": slice(900, None)}
for path, rows in parts.items():
    place = HERE / path
    place.parent.mkdir(parents=True, exist_ok=True)
    np.savez(place, image=image[rows], label=label[rows])
    print(f"{path}: {len(label[rows])} images of 8 x 8 pixels")
