"""TensorRT: prepares what a device builds its engine of. The engine itself fits one GPU and one version only.

Eight bits are as TensorRT wants them (docs.nvidia.com/deeplearning/tensorrt, "Working with Quantized Types"): signed
and symmetric for weights and activations, biases left float, explicit pairs of Q and DQ, and weights quantised already,
which TensorRT 10 reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from edgewright.contract import engineplan
from edgewright.contract.engineplan import EnginePlan
from edgewright.contract.manifest import Calibrator, Integer, Quantisation, Scheme
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext

STEP = "tensorrt"
QUANTISED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "GlobalAveragePool", "AveragePool")
"""What TensorRT has kernels of eight bits for. Activations melt into the layer before them."""

OPTIONS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "DedicatedQDQPair": True,
}


class TensorRtParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Eight bits or not; half precision for what stays float; and up to how many rows one engine answers."""

    int8: bool = True
    half: bool = True
    max_rows: Annotated[int, msgspec.Meta(ge=1, le=engineplan.MAX_ROWS)] = 32


class TensorRt:
    """The model with an engine plan in its metadata, and with pairs of Q and DQ where it shall compute in int8."""

    about: ClassVar = About(
        summary="a plan for the engine that a device with TensorRT builds; signed symmetric int8",
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = TensorRtParams

    def apply(self, model: Path, params: TensorRtParams, context: StepContext) -> Outcome:
        """Quantise, if that is wanted, and write the plan. Raises InvalidInput as static-int8 does."""
        import onnx

        from edgewright.hub.optimize.steps.graphs import plain

        path = context.folder / "tensorrt.onnx"
        done = _quantise(model, path, context) if params.int8 else None
        made = onnx.load(path) if params.int8 else plain.read(model)
        plain.strip(made)
        plan = EnginePlan(max_rows=params.max_rows, half=params.half, int8=params.int8)
        onnx.helper.set_model_props(made, {engineplan.KEY: engineplan.encode(plan)})
        path.write_bytes(made.SerializeToString(deterministic=True))
        return Outcome(path=str(path), note=_note(params, done), quantisation=done)


def _quantise(model: Path, path: Path, context: StepContext) -> Quantisation:
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization import QuantFormat, QuantType

    from edgewright.hub.optimize.steps.graphs.calibration import Rows, find_ranges
    from edgewright.hub.optimize.steps.graphs.quantising import prepared, quietly, refuse_weightless, settle

    source = context.folder / "prepared.onnx"
    proto = prepared(model, STEP)
    refuse_weightless(proto, STEP)
    rows, ranges = Rows(proto, context), context.folder / "ranges.json"
    onnx.save(proto, source)
    with quietly():
        find_ranges(source, rows, Calibrator.MIN_MAX, QUANTISED, ranges)
        quantization.quantize_static(
            str(source),
            str(path),
            None,
            calibration_cache_path=str(ranges),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=list(QUANTISED),
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QInt8,
            extra_options=OPTIONS,
        )
    settle(path, [], proto.ir_version)
    return Quantisation(
        scheme=Scheme.STATIC,
        weights=Integer.S8,
        activations=Integer.S8,
        is_per_channel=True,
        calibrator=Calibrator.MIN_MAX,
        calibration_rows=rows.count,
    )


def _note(params: TensorRtParams, done: Quantisation | None) -> str:
    floats = "half precision" if params.half else "single precision"
    rows = f"an engine for 1 to {params.max_rows} rows, built on the device"
    if done is None:
        return f"{rows}, in {floats}"
    scales = f"scales from the least and greatest values on {done.calibration_rows} training rows"
    return f"{rows}: signed symmetric int8, {scales}, and {floats} for the rest"
