"""NNCF: OpenVINO's own quantiser, for ONNX files. What OpenVINO's kernels for attention want, it alone leaves.

On convolutions it is no faster than `static-int8`, and its files are larger; see docs/adr/0022. Bias correction stays
off: it made no model here better.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator, Integer, Quantisation, Scheme
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext

STEP = "nncf"
GIB = 1024**3
SILENT = {"NNCF_CI": "1"}
"""Else it reports its use to its maker. A sandbox has no network, but who calls the step himself may have one."""


class NncfParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the model is a transformer, whose attention and norms NNCF then treats apart."""

    transformer: bool = False


class Nncf:
    """Static quantisation to QuantizeLinear and DequantizeLinear pairs, placed for OpenVINO."""

    about: ClassVar = About(
        summary="eight bits as OpenVINO's own quantiser sets them: for transformers",
        precision=Precision.INT8,
        modules=("nncf", "torch"),
        extra="nncf",
        timeout_s=900.0,
        memory_bytes=12 * GIB,
    )
    params: ClassVar[type[msgspec.Struct]] = NncfParams

    def apply(self, model: Path, params: NncfParams, context: StepContext) -> Outcome:
        """Quantise with scales found on the context's calibration rows. Raises InvalidInput as static-int8 does, and
        where NNCF gives up.
        """
        import onnx

        from edgewright.hub.optimize.steps.graphs.calibration import Rows
        from edgewright.hub.optimize.steps.graphs.quantising import prepared, refuse_weightless, settle

        proto = prepared(model, STEP)
        refuse_weightless(proto, STEP)
        rows = Rows(proto, context)
        with _quietly():
            made, version = _quantise(proto, rows, is_transformer=params.transformer)
        path = context.folder / "nncf.onnx"
        onnx.save(made, path)
        settle(path, [], proto.ir_version)
        done = Quantisation(
            scheme=Scheme.STATIC,
            weights=Integer.S8,
            activations=Integer.U8,
            is_per_channel=True,
            calibrator=Calibrator.MIN_MAX,
            calibration_rows=rows.count,
        )
        note = f"scales from NNCF's ranges on {rows.count} training rows, without bias correction"
        return Outcome(path=str(path), note=note, quantisation=done, tools={"nncf": version})


def _quantise(proto: Any, rows: Any, *, is_transformer: bool) -> tuple[Any, str]:
    """The quantised model, and NNCF's version."""
    import nncf
    import torch
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters

    torch.set_num_threads(1)
    nncf.set_log_level(logging.CRITICAL)
    feeds = list(rows)
    try:
        made = nncf.quantize(
            proto,
            nncf.Dataset(feeds),
            subset_size=len(feeds),
            model_type=nncf.ModelType.TRANSFORMER if is_transformer else None,
            advanced_parameters=AdvancedQuantizationParameters(disable_bias_correction=True),
        )
    except Exception as error:  # its own, ONNX Runtime's and Python's, as it happens
        message = f"NNCF {nncf.__version__} gave up: {type(error).__name__}: {str(error)[:300]}"
        raise InvalidInput(message, field=f"recipe.{STEP}") from error
    return made, nncf.__version__


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """It draws bars and reports to its maker."""
    os.environ.update(SILENT)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
