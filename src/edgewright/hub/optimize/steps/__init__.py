"""Steps: each turns a model file into a better one for some purpose. One file per step, behind one Protocol.

A step writes only into its folder and gives the same bytes for the same input, parameters and tool versions. It keeps
the names, element types and ranks of inputs and outputs. tests/plugins/step_checks.py checks every one, yours too:
steps are plug-ins (entry points of the group 'edgewright.steps'). A step's module imports nothing heavier than onnx
and onnxruntime before its `apply` runs, so that the hub can ask it about itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

import msgspec
import numpy.typing as npt

from edgewright import plugins
from edgewright.contract.api import ModelFormat
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.tensors import Contract
from edgewright.contract.wire import settle
from edgewright.hub.optimize.model import Outcome, Precision, StepPlan

GROUP = "edgewright.steps"

Arrays = dict[str, npt.NDArray[Any]]


class NoParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of steps that take none."""


@dataclass(frozen=True)
class About:
    """What a step says of itself before it runs.

    `modules` must be importable and the `toolchain` (an environment of its own, see `toolchains`) installed; where
    they are not, `extra` names what brings them. `timeout_s` and `memory_bytes` (address space) limit the child.
    `precision` is how the answers of what it leaves are judged: FP32 are the source's but for rounding, HALF those of
    half precision, and INT8 goes by the task's metric: whatever quantises, prunes or trains. The loosest step of a
    recipe counts.
    """

    summary: str
    takes: ModelFormat = ModelFormat.ONNX
    gives: ModelFormat = ModelFormat.ONNX
    precision: Precision = Precision.FP32
    modules: tuple[str, ...] = ()
    toolchain: str = ""
    extra: str = ""
    is_training: bool = False  # it needs labelled rows, and takes minutes
    is_opaque: bool = False  # what it leaves runs on its device alone, and answers there as what it got
    timeout_s: float = 300.0
    memory_bytes: int = 6 * 1024**3


@dataclass(frozen=True)
class StepContext:
    """What a step may use.

    `calibration` are rows as apps pass them (npz, without truth); `train` are all training rows with the truth under
    `label_key` (npz), or None; `prepare` makes of such rows what the model takes; `teacher` is the version's source
    (ONNX), whatever steps came before. All randomness comes from `seed`. `toolchains` are Pythons of environments of
    their own, by name.
    """

    folder: Path
    calibration: Path | None
    train: Path | None = None
    label_key: str = ""
    contract: Contract = field(default_factory=lambda: Contract(inputs=(), outputs=()))
    prepare: Callable[[Arrays], Arrays] = dict
    teacher: Path | None = None
    seed: int = 0
    toolchains: Mapping[str, Path] = field(default_factory=dict)


class Step(Protocol):
    """One kind of step."""

    about: ClassVar[About]
    params: ClassVar[type[msgspec.Struct]]  # frozen, kw_only, forbid_unknown_fields; with defaults

    def apply(self, model: Path, params: Any, context: StepContext) -> Outcome:
        """Write the changed model into the context's folder; say where and what was done.

        Raises InvalidInput for a model or rows that it cannot work on, in words that name them.
        """
        ...


def names() -> list[str]:
    """Every step that is installed."""
    return plugins.names(GROUP)


def step(name: str) -> Step:
    """The step of that name; raises NotFound, which names the known ones."""
    try:
        return cast(Step, plugins.load(GROUP, name)())
    except plugins.PluginBroken:
        raise
    except NotFound as error:
        hint = f"Known steps: {', '.join(names())}."
        raise NotFound(f"there is no step '{name[:80]}'", field="recipe", hint=hint) from error


def params_of(plan: StepPlan) -> msgspec.Struct:
    """A plan's parameters, checked. Raises NotFound, or InvalidInput that names step and parameter."""
    kind = step(plan.name).params
    settle(kind)  # studies run in threads, and a step is imported when it is first named
    try:
        return msgspec.convert(plan.params, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"step {plan.name}: {error}", field=f"recipe.{plan.name}") from error
