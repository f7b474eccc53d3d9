"""The child that applies one step to a model file: `python -m edgewright.hub.optimize.making.stepper QUESTION`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy
import onnx
import onnxruntime

from edgewright.contract.api import ModelFormat
from edgewright.hub.children import serve
from edgewright.hub.optimize.model import Outcome, StepQuestion
from edgewright.hub.optimize.steps import StepContext, params_of, step
from edgewright.hub.registry.runner import Preparing


class ContractChanged(Exception):
    """A step gave other inputs or outputs than it got."""


def take_step(asked: StepQuestion) -> Outcome:
    """Do it; raises ContractChanged if inputs or outputs are not what they were."""
    context = StepContext(
        folder=Path(asked.folder),
        calibration=Path(asked.calibration) if asked.calibration else None,
        train=Path(asked.train) if asked.train else None,
        label_key=asked.label_key,
        contract=asked.contract,
        prepare=Preparing(asked.contract, asked.tables),
        teacher=Path(asked.teacher) if asked.teacher else None,
        seed=asked.seed,
        toolchains={name: Path(path) for name, path in asked.toolchains.items()},
    )
    outcome = step(asked.plan.name).apply(Path(asked.model), params_of(asked.plan), context)
    if outcome.format is ModelFormat.ONNX:
        _check_surface(asked, Path(outcome.path))
    tools = {"numpy": numpy.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return msgspec.structs.replace(outcome, tools=tools | outcome.tools)


def _check_surface(asked: StepQuestion, made: Path) -> None:
    before, after = surface(Path(asked.model)), surface(made)
    if before != after:
        raise ContractChanged(f"{asked.plan.name} changed inputs or outputs from {before} to {after}")


def surface(path: Path) -> list[tuple[str, int, int]]:
    """Name, element type and rank of each input and output, in order."""
    graph = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    values = [value for value in graph.input if value.name not in weights] + list(graph.output)
    return [(v.name, v.type.tensor_type.elem_type, len(v.type.tensor_type.shape.dim)) for v in values]


if __name__ == "__main__":
    serve(take_step, StepQuestion)
