"""How far a device's own runtime may stray from the golden outputs: by the variant's numbers, and by its runtime. Pure.

Golden outputs are the variant's own, so that only the other machine's arithmetic is allowed for.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.contract.api import Precision, VariantRecord
from edgewright.contract.manifest import Runtime, Tolerance

TOLERANCES: Mapping[Precision, Tolerance] = {
    Precision.FP32: Tolerance(rtol=1e-4, atol=1e-5, min_argmax_agreement=0.998),  # sums in another order
    Precision.HALF: Tolerance(rtol=2e-2, atol=1e-2, min_argmax_agreement=0.98),  # 8 to 11 bits of a number
    Precision.INT8: Tolerance(rtol=2e-2, atol=5e-2, min_argmax_agreement=0.98),  # about two steps of the scale
}

COMPUTE_IN_HALF = frozenset(
    {
        ("onnxruntime", "CUDAExecutionProvider"),  # TF32: 11 bits
        ("onnxruntime", "TensorrtExecutionProvider"),
        ("openvino", "GPU"),
        ("openvino", "NPU"),
    }
)
"""Runtimes and providers that multiply float32 in fewer bits than it has."""


def tolerance(variant: VariantRecord, runtime: Runtime) -> Tolerance:
    """What a package of this variant allows where `runtime` runs it."""
    precision = _precision(variant)
    if precision is Precision.FP32 and (runtime.name, runtime.provider) in COMPUTE_IN_HALF:
        return TOLERANCES[Precision.HALF]
    return TOLERANCES[precision]


def _precision(variant: VariantRecord) -> Precision:
    """Old variants did not keep it: then what quantised them tells."""
    if variant.precision is not None:
        return variant.precision
    return Precision.FP32 if variant.quantisation is None else Precision.INT8
