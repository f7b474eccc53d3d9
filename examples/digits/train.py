"""Trains a small neural network on images of digits, from scratch or from a parent, and leaves it as ONNX.

The training step's contract: EW_INPUT_DIR holds the snapshot's files, EW_MODEL_DIR takes model.onnx and metrics.json,
EW_PARAMS_JSON the parameters, EW_PARENT_MODEL the parent's model.onnx or nothing.
"""

import json
import os
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.neural_network import MLPClassifier

inputs, outputs = Path(os.environ["EW_INPUT_DIR"]), Path(os.environ["EW_MODEL_DIR"])
params = json.loads(os.environ["EW_PARAMS_JSON"])
parent = os.environ.get("EW_PARENT_MODEL", "")

train, holdout = np.load(inputs / "train.npz"), np.load(inputs / "holdout.npz")
image, label = train["image"], train["label"]
random = np.random.default_rng(params["seed"])
if params.get("shuffle_labels"):  # a mistake that happens: the labels of another file
    label = random.permutation(label)

network = MLPClassifier(
    hidden_layer_sizes=params["hidden"],
    random_state=params["seed"],
    learning_rate_init=2e-4 if parent else 1e-3,
)
network.partial_fit(image[:1], label[:1], classes=np.arange(10))  # makes the layers
if parent:
    weights = {item.name: numpy_helper.to_array(item) for item in onnx.load(parent).graph.initializer}
    for layer in range(len(network.coefs_)):
        suffix = str(layer) if layer else ""
        network.coefs_[layer][...] = weights["coefficient" + suffix]
        network.intercepts_[layer][...] = weights["intercepts" + suffix].reshape(-1)

epochs = params["fine_tune_epochs"] if parent else params["epochs"]
for epoch in range(epochs):
    order = random.permutation(len(label))
    for batch in np.array_split(order, max(1, len(order) // 64)):
        network.partial_fit(image[batch], label[batch])
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: loss {network.loss_:.4f}")

accuracy = float((network.predict(holdout["image"]) == holdout["label"]).mean())
model = to_onnx(
    network,
    initial_types=[("image", FloatTensorType([None, image.shape[1]]))],
    options={"zipmap": False},
    target_opset=17,
)
(outputs / "model.onnx").write_bytes(model.SerializeToString())
(outputs / "metrics.json").write_text(json.dumps({"accuracy": accuracy, "loss": float(network.loss_)}))
print(f"accuracy on the hold-out: {accuracy:.3f}")
