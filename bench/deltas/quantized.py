"""Quantise an ONNX file to int8 in the three usual ways."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_dynamic,
    quantize_static,
)

Feed = dict[str, np.ndarray]


class Calibration(CalibrationDataReader):
    """The feeds, one at a time."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def quantize_dynamically(source: Path, target: Path) -> None:
    """Weights int8, activations when it runs: for transformers."""
    quantize_dynamic(source, target, weight_type=QuantType.QInt8)


def quantize_per_tensor(source: Path, target: Path, feeds: Iterable[Feed]) -> None:
    _quantize(source, target, feeds, per_channel=False)


def quantize_per_channel(source: Path, target: Path, feeds: Iterable[Feed]) -> None:
    _quantize(source, target, feeds, per_channel=True)


def _quantize(source: Path, target: Path, feeds: Iterable[Feed], *, per_channel: bool) -> None:
    """Static QDQ; shapes are inferred first, as onnxruntime asks for."""
    with TemporaryDirectory() as folder:
        inferred = Path(folder) / "inferred.onnx"
        quant_pre_process(source, inferred, skip_symbolic_shape=True)
        how = {"quant_format": QuantFormat.QDQ, "per_channel": per_channel, "weight_type": QuantType.QInt8}
        quantize_static(inferred, target, Calibration(feeds), **how)
