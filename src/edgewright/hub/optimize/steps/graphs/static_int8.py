"""Static int8: weights and activations of the layers in eight bits (QDQ), scales fixed on training rows."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import onnx
from onnxruntime import quantization
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType

from edgewright.contract.manifest import Calibrator, Integer, Quantisation, Scheme
from edgewright.hub.optimize.model import Outcome
from edgewright.hub.optimize.steps import About, StepContext

QUANTISED = ["MatMul", "Gemm", "Conv", "Relu"]
"""What multiplies by weights, and the activations that melt into it. What a classifier does with its scores afterwards
(Softmax, ArgMax, looking up the class) stays as it is: it is cheap, and eight bits would make ties."""

FLOAT_OUTPUTS = ["MatMul", "Gemm"]
"""Their sums stay float until the next layer quantises its input: measured on digits, no class changed, against
0.8 % of them with sums in eight bits, and it was no slower. Convolutions have fast kernels for eight bits only."""

ROWS_AT_ONCE = 64
TYPES = {Integer.U8: QuantType.QUInt8, Integer.S8: QuantType.QInt8}


class StaticInt8Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signedness of weights and activations; a scale for each channel of the weights, or one for all."""

    weights: Integer = Integer.S8
    activations: Integer = Integer.U8
    per_channel: bool = True


class StaticInt8:
    """ONNX Runtime's static quantisation to QuantizeLinear and DequantizeLinear pairs."""

    about: ClassVar = About(summary="weights and activations in eight bits, scales fixed on training rows (QDQ)")
    params: ClassVar[type[msgspec.Struct]] = StaticInt8Params

    def apply(self, model: Path, params: StaticInt8Params, context: StepContext) -> Outcome:
        """Quantise with scales found on the context's calibration rows."""
        if context.calibration is None:
            raise ValueError("static int8 needs rows to calibrate on")
        rows = Rows(model, context)
        done = Quantisation(
            scheme=Scheme.STATIC,
            weights=params.weights,
            activations=params.activations,
            is_per_channel=params.per_channel,
            calibrator=Calibrator.MIN_MAX,
            calibration_rows=rows.count,
        )
        path = context.folder / "static_int8.onnx"
        quantization.quantize_static(
            str(model),
            str(path),
            rows,
            quant_format=QuantFormat.QDQ,
            per_channel=done.is_per_channel,
            op_types_to_quantize=QUANTISED,
            weight_type=TYPES[done.weights],
            activation_type=TYPES[done.activations],
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"OpTypesToExcludeOutputQuantization": FLOAT_OUTPUTS},
        )
        _settle(path, model)
        note = f"scales from the least and greatest values on {rows.count} training rows"
        return Outcome(path=str(path), note=note, quantisation=done)


class Rows(CalibrationDataReader):  # type: ignore[misc]
    """Feeds the rows to calibrate on, prepared, as many at once as the model takes."""

    def __init__(self, model: Path, context: StepContext) -> None:
        graph = onnx.load(model, load_external_data=False).graph
        weights = {tensor.name for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in weights]
        fixed = max((_fixed_rows(value) for value in inputs), default=0)
        self._rows_at_once = fixed or ROWS_AT_ONCE
        self._takes = [value.name for value in inputs]
        self._prepare = context.prepare
        with np.load(str(context.calibration), allow_pickle=False) as arrays:
            self._arrays = {name: arrays[name] for name in arrays.files}
        rows = len(next(iter(self._arrays.values())))
        self.count = rows - rows % fixed if fixed else rows
        self._at = 0

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next rows, or None after the last."""
        if self._at >= self.count:
            return None
        chosen = slice(self._at, min(self._at + self._rows_at_once, self.count))
        self._at = chosen.stop
        made = self._prepare({name: array[chosen] for name, array in self._arrays.items()})
        return {name: made[name] for name in self._takes}


def _fixed_rows(value: onnx.ValueInfoProto) -> int:
    """The length of the first axis; 0 if it is free."""
    axes = value.type.tensor_type.shape.dim
    return int(axes[0].dim_value) if axes else 0


def _settle(path: Path, source: Path) -> None:
    """Drop what decides no answer: provenance, and inferred shapes of inner tensors."""
    model = onnx.load(path)
    model.ir_version = onnx.load(source, load_external_data=False).ir_version
    for field in ("producer_name", "producer_version", "doc_string", "metadata_props"):
        model.ClearField(field)
    model.graph.ClearField("value_info")
    path.write_bytes(model.SerializeToString(deterministic=True))
