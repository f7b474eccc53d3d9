"""Nouns of measuring: what is measured on which rows, what children are asked and answer, and what comes of it."""

from __future__ import annotations

import msgspec

from edgewright.contract.api import Figures, ModelFormat, Place, Quality
from edgewright.contract.tensors import Contract
from edgewright.hub.optimize.model import Parity, Precision

TFLITE_MICRO = "tflite-micro"
"""The runtime of microcontrollers, whose memory is an arena that is planned beforehand."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A model file to measure; `id` is that of its trial. `estimates` is what a compiler said of it: 'latency_ms' or
    'cycles', 'sram_bytes'. Where only a device can run it, `answers_as` is the file of the same format that it was
    compiled from, and that is run in its place; "" is the model itself.
    """

    id: str
    model: str  # path
    precision: Precision
    format: ModelFormat = ModelFormat.ONNX
    estimates: dict[str, float] = {}
    answers_as: str = ""

    @property
    def runnable(self) -> str:
        """The path of what is run here."""
        return self.answers_as or self.model


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure on: an npz of rows as apps pass them by `contract`, the truth of each under `label_key`, and the
    group of each under 'group', where there are groups. `tables` are paths of files that preprocessing needs, by name.
    """

    holdout: str  # path
    label_key: str
    contract: Contract
    tables: dict[str, str] = {}


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What one subject is worth and costs; `failure` says why there is nothing else."""

    id: str
    figures: Figures | None = None
    parity: Parity | None = None
    golden: str = ""  # path
    failure: str = ""
    reasons: tuple[str, ...] = ()


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """A runtime and what it computes with. `version` is known once it was started."""

    runtime: str
    provider: str
    version: str = ""

    def __str__(self) -> str:
        """As people read it: 'onnxruntime 1.31.0 CPUExecutionProvider'."""
        return " ".join(part for part in (self.runtime, self.version, self.provider) if part)


class RunQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Load `model` by the first of `engines` that is here, time it on single rows, and have it answer all of them.

    The answers go to `outputs` (npz), and those to the golden rows, asked in one call as devices do, to `golden`: where
    scales are of a call they are others. "" leaves both out.
    """

    model: str
    engines: tuple[Engine, ...]
    rows: Rows
    outputs: str = ""
    golden: str = ""


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one process measured that did nothing but load a model and answer, with one thread.

    `peak_bytes` is the peak resident memory of that whole process, with Python and the runtime; `arena_bytes` what a
    TFLite file would take of a microcontroller's memory by tflite-micro's own planner.
    """

    engine: Engine
    p50_ms: float
    p95_ms: float
    p99_ms: float
    peak_bytes: int
    arena_bytes: int = 0


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A subject whose answers lie in `outputs`, those to the golden rows in `answered`; its golden vectors go to
    `golden`.
    """

    id: str
    model: str
    precision: Precision
    outputs: str
    answered: str
    golden: str


class JudgeQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Judge subjects against the first of them, the source. `parent` is the file that the fleet runs, or ""."""

    subjects: tuple[Judged, ...]
    rows: Rows
    max_drop: float
    parent: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers of one subject are worth; `failure` says why they cannot be judged."""

    id: str
    quality: Quality | None = None
    parity: Parity | None = None
    delta_bytes: int | None = None
    failure: str = ""


class JudgeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict for each subject, in their order."""

    verdicts: tuple[Verdict, ...]


class RehearsalQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Run the rows of `golden` through `model` in `engine`, or where `emulator` is the Python of an emulated machine,
    there.
    """

    model: str
    golden: str
    contract: Contract
    tables: dict[str, str]
    precision: Precision
    engine: Engine = Engine(runtime="", provider="")
    emulator: str = ""


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """How golden vectors went in one place; `told` says so in words. `is_own`: it is where the target's devices run
    it, or an emulation of them.
    """

    place: Place
    where: str
    holds: bool
    told: str
    is_own: bool = False

    def __str__(self) -> str:
        """As people read it."""
        return f"golden vectors {'hold' if self.holds else 'do not hold'} on {self.where}: {self.told}"
