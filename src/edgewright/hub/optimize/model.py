"""Nouns of optimisation: recipes and their steps, what was measured, and how far a variant strays."""

from __future__ import annotations

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
        return " ".join([self.name, *(f"{name}={value}" for name, value in sorted(self.params.items()))])


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in order, and the reasons for them (and for what was left out)."""

    steps: tuple[StepPlan, ...]
    precision: Precision
    reasons: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """The steps as people read them."""
        return tuple(str(step) for step in self.steps)


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
    """What a step left: `note` says in a sentence what it did, `quantisation` what it did to the numbers, if it did."""

    path: str
    note: str
    format: ModelFormat = ModelFormat.ONNX
    tools: dict[str, str] = {}
    quantisation: Quantisation | None = None
    estimates: dict[str, float] = {}  # what a compiler says of the target: 'cycles', 'sram_bytes', 'flash_bytes'


class MeasureQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Measure `model` on the rows of `holdout` (npz: inputs by name, and the truth under `label_key`).

    Its outputs on them go to `outputs` (npz), its golden vectors to `golden`; "" leaves a file out.
    """

    model: str
    holdout: str
    contract: Contract
    tables: dict[str, str] = {}  # paths of the files that steps of preprocessing need, by name
    label_key: str
    outputs: str = ""
    golden: str = ""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one process measured that did nothing but load a model and answer, on this machine, with one thread.

    Latencies are of single rows. `memory_bytes` is the peak resident memory of that whole process, with Python and
    the runtime; `baseline_bytes` is what it had before it loaded the model.
    """

    accuracy: float
    rows: int
    latency_p50_ms: float
    latency_p95_ms: float
    memory_bytes: int
    baseline_bytes: int


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How a variant compares with its source: `value` is a relative error (fp32) or an agreement (int8)."""

    value: float
    is_kept: bool
    reason: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe's steps made: a blob, what each step says of itself, and the versions of its tools."""

    sha256: str
    notes: tuple[str, ...] = ()
    tools: dict[str, str] = {}
    quantisation: Quantisation | None = None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a variant, against its source in the same turns."""

    source: Figures
    variant: Figures
    parity: Parity
    golden_sha256: str
