"""Steps: each turns a model file into a better one for some purpose. One file per step, behind one Protocol.

A step keeps the names, element types and ranks of inputs and outputs, writes only into its folder, and gives the
same bytes for the same input, parameters and tool versions: tests/plugins/step_checks.py checks every one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from edgewright.contract.errors import NotFound
from edgewright.hub.optimize.model import Outcome

Arrays = dict[str, npt.NDArray[Any]]

STEPS = {
    "clean": "edgewright.hub.optimize.steps.clean:Clean",
    "prune": "edgewright.hub.optimize.steps.prune:Prune",
    "static-int8": "edgewright.hub.optimize.steps.static_int8:StaticInt8",
}


@dataclass(frozen=True)
class StepContext:
    """What a step may use: a folder for its files, rows to calibrate on (npz, as apps pass them), its parameters.

    `prepare` makes of such rows what the model takes.
    """

    folder: Path
    calibration: Path | None
    params: Mapping[str, float | str | bool]
    prepare: Callable[[Arrays], Arrays] = dict


class Step(Protocol):
    """One kind of step."""

    def apply(self, model: Path, context: StepContext) -> Outcome:
        """Write the changed model into the context's folder; say where and what was done."""
        ...


def step(name: str) -> Step:
    """The step of that name; raises NotFound. What it needs is imported only now."""
    if name not in STEPS:
        raise NotFound(f"there is no step '{name}'", field="recipe", hint=f"Known steps: {', '.join(STEPS)}.")
    module, _, kind = STEPS[name].partition(":")
    found: Step = getattr(importlib.import_module(module), kind)()
    return found
