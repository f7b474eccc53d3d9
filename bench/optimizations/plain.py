"""The plain tools, used by hand as their own guides say: what an engineer would do without Edgewright."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from deltas.quantized import Calibration
from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_dynamic, quantize_static

LABEL = "label"
CALIBRATION_ROWS = 128


def static_int8(source: Path, train: Path, into: Path) -> None:
    """ONNX Runtime's guide: pre-process, then static QDQ with its defaults, rows one at a time."""
    with np.load(train, allow_pickle=False) as arrays:
        inputs = {name: arrays[name][:CALIBRATION_ROWS] for name in arrays.files if name != LABEL}
    feeds = [{name: array[row : row + 1] for name, array in inputs.items()} for row in range(CALIBRATION_ROWS)]
    with TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(source, ready, skip_symbolic_shape=True)
        quantize_static(ready, into, Calibration(feeds), quant_format=QuantFormat.QDQ, weight_type=QuantType.QInt8)


def dynamic_int8(source: Path, into: Path) -> None:
    """ONNX Runtime's guide for transformers: dynamic, with its defaults."""
    quantize_dynamic(source, into, weight_type=QuantType.QInt8)
