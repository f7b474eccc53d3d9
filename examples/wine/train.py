"""Trains a forest on measurements of wines and leaves it as ONNX. See ../digits/train.py for the step's contract."""

import json
import os
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier

inputs, outputs = Path(os.environ["EW_INPUT_DIR"]), Path(os.environ["EW_MODEL_DIR"])
params = json.loads(os.environ["EW_PARAMS_JSON"])

train, holdout = np.load(inputs / "train.npz"), np.load(inputs / "holdout.npz")
forest = RandomForestClassifier(params["trees"], max_depth=params["depth"], random_state=params["seed"])
forest.fit(train["measurements"], train["label"])
accuracy = float((forest.predict(holdout["measurements"]) == holdout["label"]).mean())

model = to_onnx(
    forest,
    initial_types=[("measurements", FloatTensorType([None, train["measurements"].shape[1]]))],
    options={"zipmap": False},
    target_opset=17,
)
(outputs / "model.onnx").write_bytes(model.SerializeToString())
(outputs / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))
print(f"accuracy on the hold-out: {accuracy:.3f}")
