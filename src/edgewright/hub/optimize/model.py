"""Nouns of optimisation: recipes and their steps, what was measured, and how far a variant strays."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edgewright.contract.api import ModelFormat
from edgewright.contract.api import Precision as Precision
from edgewright.contract.errors import NotFound, Refused, UsageError
from edgewright.contract.manifest import Quantisation
from edgewright.contract.tensors import Contract


class UnknownTarget(UsageError):
    code = "unknown_target"


class UnknownStudy(NotFound):
    code = "unknown_study"
    hint = "Make one: `edgewright optimize run MODEL@VERSION --target TARGET`."


class Unmet(Refused):
    """No trial of a study meets its constraints."""

    code = "unmet"
    hint = "Loosen the constraint that binds, or choose a trial: `edgewright optimize pareto MODEL@VERSION`."


class NeedsSnapshot(Refused):
    code = "needs_snapshot"
    hint = (
        "Register the version with a snapshot: its train.npz calibrates int8, its holdout.npz measures accuracy. "
        "See `edgewright data snapshot`."
    )


class StepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a recipe, and its parameters."""

    name: str
    params: dict[str, bool | int | float | str] = {}

    def __str__(self) -> str:
        """As people read it in a recipe: 'prune ratio=0.2'."""
        return " ".join([self.name, *(f"{name}={_word(value)}" for name, value in sorted(self.params.items()))])


class StepQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Apply `plan` to `model` and leave the result in `folder`.

    `calibration` and `train` are npz of rows as apps pass them by `contract`, or "", and `train` holds the truth under
    `label_key` too; `tables` and `toolchains` are paths by name; `teacher` is the version's source, or "".
    """

    plan: StepPlan
    model: str
    calibration: str
    folder: str
    contract: Contract = Contract(inputs=(), outputs=())
    tables: dict[str, str] = {}
    train: str = ""
    label_key: str = ""
    teacher: str = ""
    seed: int = 0
    toolchains: dict[str, str] = {}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a step left: `note` says in a sentence what it did, `quantisation` what it did to the numbers, if it did.

    `precision` is how its answers are judged, where that depends on parameters; None: as the step says of itself.
    """

    path: str
    note: str
    format: ModelFormat = ModelFormat.ONNX
    tools: dict[str, str] = {}
    quantisation: Quantisation | None = None
    precision: Precision | None = None
    estimates: dict[str, float] = {}  # what a compiler says of the target: 'cycles', 'sram_bytes', 'flash_bytes'


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How a variant compares with its source: `value` is a relative error (fp32) or an agreement (int8)."""

    value: float
    is_kept: bool
    reason: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What steps made so far: a blob, what each step says of itself, and the versions of its tools.

    `precision` is that of the loosest step. `answers_as` is the digest of the file that gives its answers, where only a
    device can run what was made; "" for itself. `seconds` is what it took, without what was there already;
    `is_cached`: all of it was.
    """

    sha256: str
    notes: tuple[str, ...] = ()
    tools: dict[str, str] = {}
    quantisation: Quantisation | None = None
    format: ModelFormat = ModelFormat.ONNX
    precision: Precision = Precision.FP32
    answers_as: str = ""
    estimates: dict[str, float] = {}
    seconds: float = 0.0
    is_cached: bool = False


LOOSEST = (Precision.FP32, Precision.HALF, Precision.INT8)
"""From answers that stay the same to those that the task's metric judges."""


def loosest(precisions: Iterable[Precision]) -> Precision:
    """How the answers of a recipe are judged whose steps leave these: by the loosest."""
    return max(precisions, key=LOOSEST.index, default=Precision.FP32)


def _word(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
