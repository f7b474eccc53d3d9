"""Champion and challenger: how two versions are compared, what decides, and what came out."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What becomes of a challenger."""

    YES = "yes"
    NO = "no"
    ASK = "ask"  # the numbers do not decide: a person does


class LineState(StrEnum):
    """What one rule says."""

    PASSED = "passed"
    FAILED = "failed"
    UNSURE = "unsure"  # too few rows, or too near to the limit
    WAITS = "waits"  # what it reads is not there yet: costs, before variants are made


class SuperiorOn(StrEnum):
    """On which hold-outs a challenger must be better beyond doubt."""

    ANY = "any"  # one of them, whichever
    FRESH = "fresh"  # on rows of the field, labelled since
    PINNED = "pinned"  # on the hold-out that stays as it is
    NONE = "none"  # nowhere: it must only be no worse


class NotEnough(StrEnum):
    """What a bias gate says where groups have too few rows, or where a difference is not proven."""

    ASK = "ask"
    LET = "let"  # it passes
    FAIL = "fail"


class Fairness(StrEnum):
    """What is compared between groups."""

    ERROR_RATE = "error_rate"
    SELECTION_RATE = "selection_rate"  # share that is given the positive class: demographic parity
    TRUE_POSITIVE_RATE = "true_positive_rate"  # of the positive rows: equal opportunity (Hardt, Price & Srebro 2016)
    ABSOLUTE_ERROR = "absolute_error"  # of regressions, in the units of the answer


class EvaluationRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How versions are compared: `[evaluation]` of edgewright.toml.

    `groups` name arrays of the hold-outs (labels of the devices among them), or columns of inputs as 'input.column'.
    `cuts` give the edges by which numbers become groups. Groups below `min_rows` are told and never judged.
    """

    groups: tuple[str, ...] = ()
    cuts: dict[str, tuple[float, ...]] = {}
    min_rows: int = 30
    confidence: float = 0.95


class PromotionRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a challenger replaces the champion: `[promotion]` of edgewright.toml.

    `metric` is accuracy, brier, r2 or mae; "" for accuracy where there are classes, and r2 where there are values.
    It must be better by more than `margin` beyond doubt where `superior_on` says, and lose no more than `max_loss`
    on any hold-out (with `prove_no_loss` beyond doubt: non-inferiority). No group may lose more than
    `max_group_loss` beyond doubt, or lie under `group_floor`. Limits of 0 on costs are none.
    """

    metric: str = ""
    superior_on: SuperiorOn = SuperiorOn.ANY
    margin: float = 0.0
    max_loss: float = 0.03
    prove_no_loss: bool = False
    max_group_loss: float = 0.05
    group_floor: float | None = None
    max_latency_p95_ms: float = 0.0
    max_latency_ratio: float = 0.0
    max_size_bytes: int = 0
    require: tuple[str, ...] = ("bias",)


class BiasRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far groups may differ: `[bias]` of edgewright.toml. `positive` is the class that counts as selected."""

    groups: tuple[str, ...]
    measures: tuple[Fairness, ...] = (Fairness.ERROR_RATE,)
    limit: float = 0.1
    min_rows: int = 50
    positive: int | str | None = None
    not_enough: NotEnough = NotEnough.ASK


class JudgingRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All by which a challenger is judged."""

    evaluation: EvaluationRules = msgspec.field(default_factory=EvaluationRules)
    promotion: PromotionRules = PromotionRules()
    bias: BiasRules | None = None


class MetricGain(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of both on the same rows. `gain` is by how much the challenger is better, whichever way is up.

    `low` and `high` are the ends of its interval; None where there is none. `champion` is None where there is none.
    """

    metric: str
    challenger: float
    champion: float | None = None
    gain: float = 0.0
    low: float | None = None
    high: float | None = None


class GroupGain(msgspec.Struct, frozen=True, kw_only=True):
    """The promotion's metric in one group; its intervals hold for all groups together. Small ones are not judged."""

    key: str
    name: str
    rows: int
    is_small: bool
    gain: MetricGain
    challenger_low: float | None = None
    challenger_high: float | None = None


class HoldoutEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Both on one hold-out. `effective_rows` are so many independent rows of equal weight as tell as much."""

    holdout: str  # snapshot id and file
    sha256: str
    is_fresh: bool
    rows: int
    effective_rows: float
    confidence: float  # of each interval
    method: str
    metrics: tuple[MetricGain, ...]
    groups: tuple[GroupGain, ...] = ()
    agreement: float | None = None  # share of equal classes; None without a champion or without classes

    def metric(self, name: str) -> MetricGain | None:
        """That metric, or None."""
        return next((one for one in self.metrics if one.metric == name), None)


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """What the variants of both cost on a target. Figures are None where there is no such variant."""

    target: str
    latency_p95_ms: float
    size_bytes: int
    champion_latency_p95_ms: float | None = None
    champion_size_bytes: int | None = None
    where: str = ""


class Disparity(msgspec.Struct, frozen=True, kw_only=True):
    """The two groups that differ most in one measure of the challenger, with the interval of their difference."""

    holdout: str
    key: str
    measure: Fairness
    state: LineState
    reason: str
    lowest: str = ""
    highest: str = ""
    difference: float = 0.0
    low: float = 0.0
    high: float = 0.0
    rows: int = 0  # of the smallest group that was compared
    champion_difference: float | None = None  # between the same two


class RuleLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule says, with its numbers."""

    rule: str
    state: LineState
    reason: str


class PromotionVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the challenger, why in one sentence, and what each rule said."""

    outcome: Outcome
    reason: str
    lines: tuple[RuleLine, ...] = ()


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger judged against the champion (0: there is none). `digest` covers all that it was judged by.

    `statement_sha256` names the blob with the sealed in-toto test result that binds it to the version's source.
    """

    model: str
    challenger: int
    champion: int
    snapshot: str
    digest: str
    rules: JudgingRules
    holdouts: tuple[HoldoutEvaluation, ...]
    costs: tuple[CostLine, ...] = ()
    bias: tuple[Disparity, ...] = ()
    verdict: PromotionVerdict = PromotionVerdict(outcome=Outcome.NO, reason="")
    created_at: float = 0.0
    run: str = ""
    statement_sha256: str = ""

    def holdout(self, *, is_fresh: bool) -> HoldoutEvaluation | None:
        """The fresh hold-out, or the pinned one."""
        return next((one for one in self.holdouts if one.is_fresh is is_fresh), None)


class JudgedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one challenger, in a line."""

    model: str
    version: int
    champion: int
    outcome: Outcome
    reason: str


class EvaluationDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Judge a version. A champion of None is the newest release's, 0 is none; a snapshot of "" is its own."""

    model: str
    challenger: int
    champion: int | None = None
    snapshot: str = ""
