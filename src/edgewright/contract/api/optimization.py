"""Studies: what was tried to make a version fit a target, what each trial measured, and which one is recommended."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.manifest import Quantisation

SOURCE_TRIAL = "t0"
"""The id of the trial that is the source itself."""


class ModelFormat(StrEnum):
    """What kind of file a model is."""

    ONNX = "onnx"
    TFLITE = "tflite"


class Precision(StrEnum):
    """What the numbers of a variant are, and so how its answers are judged."""

    FP32 = "fp32"  # the source's, but for rounding
    HALF = "half"  # float16 or bfloat16
    INT8 = "int8"  # eight bits, or changed in other ways: judged by the task's metric


class Place(StrEnum):
    """Where a figure comes from. Later ones are believed before earlier ones."""

    ESTIMATE = "estimate"  # computed from a profile of the hardware, or by a compiler
    HUB = "hub"  # measured on the hub's own machine
    EMULATOR = "emulator"  # the target's instructions, emulated: right in numbers, meaningless in time
    DEVICE = "device"  # measured by an enrolled device of that hardware class


class Metric(StrEnum):
    """How the quality of a variant is told. All of them: the higher, the better."""

    ACCURACY = "accuracy"  # share of the rows whose class is the truth's
    R2 = "r2"  # coefficient of determination of a regression's answers
    COSINE = "cosine"  # mean cosine between the variant's embeddings and the source's


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """A metric over the hold-out, with its 95 % confidence interval.

    `drop` is what was lost against the source on the same rows, and `drop_high` the upper end of its 95 % interval
    (paired bootstrap). `groups` are values by group of rows, where the snapshot tells groups.
    """

    metric: Metric
    value: float
    low: float
    high: float
    rows: int
    drop: float = 0.0
    drop_high: float = 0.0
    groups: dict[str, float] = {}


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of one row, on one thread. `where` names the machine, the emulator or the compiler."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    place: Place
    where: str = ""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Peak bytes: on a computer of the whole process with its runtime, on a microcontroller of the arena."""

    peak_bytes: int
    place: Place
    where: str = ""


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Millijoules of one inference."""

    mj: float
    place: Place
    where: str = ""


class TrialState(StrEnum):
    """How a trial ended."""

    KEPT = "kept"  # whole, measured, and within parity
    STRAYED = "strayed"  # measured, and too far from the source
    FAILED = "failed"  # a step or a measurement crashed, hung, or was refused
    SKIPPED = "skipped"  # not tried: `reason` says why


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant costs and is worth. `delta_bytes` is what it takes to send it to devices that run the parent
    version's variant for this target; None where there is none.
    """

    quality: Quality
    timing: Timing
    memory: Memory
    size_bytes: int
    delta_bytes: int | None = None
    energy: Energy | None = None


class Constraints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a variant may cost; 0 stands for no limit, but for `max_metric_drop`, which is a share of the metric."""

    latency_p95_ms: float = 0.0
    size_bytes: int = 0
    ram_bytes: int = 0
    energy_mj: float = 0.0
    max_metric_drop: float = 0.02


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe, tried. `recipe` are its steps as people read them; `breaks` names the constraints not met."""

    id: str  # within its study: 't1' …; 't0' is the source itself
    recipe: tuple[str, ...]
    state: TrialState
    reason: str
    sha256: str = ""
    format: ModelFormat = ModelFormat.ONNX
    figures: Figures | None = None
    source_timing: Timing | None = None  # of the source, in the same turns: what 'times faster' is told by
    elsewhere: tuple[Timing, ...] = ()  # less believed ones: the hub's where `figures` has a device's
    precision: Precision = Precision.FP32
    breaks: tuple[str, ...] = ()
    is_on_front: bool = False
    reasons: tuple[str, ...] = ()  # what each step did, and how it compares
    tools: dict[str, str] = {}
    quantisation: Quantisation | None = None
    golden_sha256: str = ""
    parity: float = 0.0
    seconds: float = 0.0
    is_cached: bool = False  # all its steps' results were there already


class StudyState(StrEnum):
    """How far a study is."""

    RUNNING = "running"
    DONE = "done"
    UNMET = "unmet"  # nothing meets the constraints: `reasons` names the binding one and the nearest trials
    CANCELLED = "cancelled"
    FAILED = "failed"


class StudyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The search for the best variant of a version on a target. Its id is that of its run.

    `recommended` and `chosen` are ids of trials: what the hub advises, and what the version's variant is made of
    (somebody may have chosen another one of the front); "" for none.
    """

    id: str
    model: str
    version: int
    target: str
    state: StudyState
    constraints: Constraints
    budget_s: float
    started_at: float
    ended_at: float | None = None
    trials: tuple[TrialRecord, ...] = ()
    recommended: str = ""
    chosen: str = ""
    reasons: tuple[str, ...] = ()

    def gains(self, trial: TrialRecord) -> tuple[float, float] | None:
        """How many times smaller and how many times as fast as the source a trial is; None where that is not known.

        The source's own time is that of the same turns, where there is one.
        """
        source = next((one.figures for one in self.trials if one.id == SOURCE_TRIAL), None)
        figures = trial.figures
        if figures is None or source is None or trial.id == SOURCE_TRIAL:
            return None
        timing = trial.source_timing or source.timing
        return source.size_bytes / max(figures.size_bytes, 1), timing.p50_ms / max(figures.timing.p50_ms, 1e-9)


class StudyDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to search. Limits that are None are the target's own; `recipes` (steps as people write them, such as
    'clean → static-int8 per_channel=true') are tried instead of those that the hub would choose.
    """

    targets: tuple[str, ...]
    budget_s: float = 300.0
    max_metric_drop: float | None = None
    latency_p95_ms: float | None = None
    size_bytes: int | None = None
    ram_bytes: int | None = None
    energy_mj: float | None = None
    recipes: tuple[str, ...] = ()
    use_cache: bool = True
    use_history: bool = True


class ChoiceDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make another trial of a study's front the version's variant; `why` goes into the audit log."""

    trial: str
    why: str = ""
