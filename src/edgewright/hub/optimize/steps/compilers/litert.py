"""LiteRT: an ONNX network becomes a .tflite file, in float32 or eight bits (docs/howto/toolchains.md)."""

from __future__ import annotations

import json
import subprocess
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import onnx

from edgewright.contract.api import ModelFormat
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator, Integer, Quantisation, Scheme
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, Arrays, StepContext
from edgewright.hub.optimize.steps.graphs.calibration import ROWS_AT_ONCE, Rows

TOOLCHAIN = "litert"
QUANTISER = Path(__file__).with_name("quantiser.py")
TAIL_CHARS = 1500
INSTALL = "Install it: edgewright hub toolchain install litert"


class LiteRtPrecision(StrEnum):
    """What becomes of the numbers: nothing, all in eight bits, or the weights alone beforehand."""

    FLOAT32 = "float32"
    INT8 = "int8"
    DYNAMIC = "dynamic"


class LiteRtParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`int8` has a scale for each channel of the weights, and activations of the least and greatest values seen."""

    precision: LiteRtPrecision = LiteRtPrecision.INT8


class LiteRt:
    """Our own converter, operator by operator, and Google's AI Edge Quantizer in the toolchain 'litert'."""

    about: ClassVar = About(
        summary="a .tflite file for LiteRT and tflite-micro: float32, int8 throughout, or int8 weights",
        gives=ModelFormat.TFLITE,
        modules=("ai_edge_litert",),
        toolchain=TOOLCHAIN,
        extra="litert",
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = LiteRtParams

    def apply(self, model: Path, params: LiteRtParams, context: StepContext) -> Outcome:
        """Convert, then quantise; inputs and outputs keep names, dtypes and shapes, also of an int8 model.

        Raises InvalidInput naming the operator or tensor that cannot be had.
        """
        from edgewright.hub.optimize.steps.compilers.tflite import convert, settled

        converted = convert(model, context.folder)
        tools = {name: metadata.version(name) for name in ("ai-edge-litert", "flatbuffers")}
        path = context.folder / "litert.tflite"
        path.write_bytes(converted.data)
        if params.precision is LiteRtPrecision.FLOAT32:
            path.write_bytes(settled(converted.data))
            return Outcome(
                path=str(path),
                note="in float32",
                format=ModelFormat.TFLITE,
                tools=tools,
                precision=Precision.FP32,
            )
        rows = _rows(model, context) if params.precision is LiteRtPrecision.INT8 else None
        tools |= _quantise(path, rows, converted.rows_at_once, context)
        path.write_bytes(settled(path.read_bytes()))
        return Outcome(
            path=str(path),
            note=_note(rows),
            format=ModelFormat.TFLITE,
            tools=tools,
            quantisation=_quantisation(rows),
        )


def _rows(model: Path, context: StepContext) -> Arrays:
    """What the model takes, of the rows to calibrate on."""
    parts = list(Rows(onnx.load(model), context))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _quantise(path: Path, rows: Arrays | None, rows_at_once: int, context: StepContext) -> dict[str, str]:
    """Put the quantised file in the place of the float one; returns the versions of what did it."""
    python = context.toolchains.get(TOOLCHAIN)
    if python is None:
        raise InvalidInput("the toolchain litert is not installed", field="recipe.litert", hint=INSTALL)
    argv = [str(python), "-I", str(QUANTISER), str(path), str(path.with_suffix(".made"))]
    if rows is not None:
        np.savez(context.folder / "rows.npz", allow_pickle=False, **rows)
        argv += [str(context.folder / "rows.npz"), str(rows_at_once or min(_count(rows), ROWS_AT_ONCE))]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        message = f"AI Edge Quantizer does not take the model: {said.splitlines()[-1] if said else done.returncode}"
        raise InvalidInput(message, field="recipe.litert", hint=said[-TAIL_CHARS:])
    path.with_suffix(".made").replace(path)
    (context.folder / "rows.npz").unlink(missing_ok=True)
    versions: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return versions


def _quantisation(rows: Arrays | None) -> Quantisation:
    return Quantisation(
        scheme=Scheme.DYNAMIC if rows is None else Scheme.STATIC,
        weights=Integer.S8,
        activations=Integer.S8,
        is_per_channel=True,
        calibrator=None if rows is None else Calibrator.MIN_MAX,
        calibration_rows=0 if rows is None else _count(rows),
    )


def _note(rows: Arrays | None) -> str:
    if rows is None:
        return "weights in eight bits, a scale for each channel; activations as they come"
    return (
        f"all in eight bits but what goes in and out; scales from the least and greatest values on {_count(rows)} rows"
    )


def _count(rows: Arrays) -> int:
    return len(next(iter(rows.values())))
