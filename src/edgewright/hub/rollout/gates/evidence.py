"""What a gate's rules look at, as it was read at one moment, and what they find in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewright.contract.api import GateState, GateVerdict


@dataclass(frozen=True)
class Installed:
    """What one device said of its install, whichever way that ended. None stands for what it did not measure.

    Latency and memory are shares of the budget in the manifest of its package: 1.0 is all of it. What it found beside
    the running version, and that it has not crashed, is known of devices that have committed alone.
    """

    device: str
    golden_passed: bool | None = None
    agreement: float | None = None
    score_shift: float | None = None
    latency_share: float | None = None
    memory_share: float | None = None
    has_crashed: bool | None = False


@dataclass(frozen=True)
class Served:
    """One device's requests: `failed` of `rows` got no answer, `unsure` ones a score in the reference's lowest tenth.

    `estimated_right` is the sum of the answers' scores, which is how many are right if scores are calibrated (CBPE, as
    NannyML has it); None where the model gives no scores. The figures `_before` are the same device's before the
    rollout's first device switched, on the version that it ran then.
    """

    device: str
    rows: int
    failed: int = 0
    unsure: int = 0
    rows_before: int = 0
    failed_before: int = 0
    unsure_before: int = 0
    estimated_right: float | None = None


@dataclass(frozen=True)
class Labelled:
    """One device's labelled requests that the new version has answered, of those that are in the same groups.

    `groups` are pairs of key and group, such as ('site', 'berlin').
    """

    device: str
    right: int
    rows: int
    groups: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What is known of a wave. `committed_at` is when its devices had done what they can; None: they have not yet.

    Until then, `awaited` devices may still say how their install ended; where not all of `installed` were read, so many
    for those that were.
    `shadow_bar` is set where labelled data lowered the bar of a challenger's agreement, which differs on purpose.
    `canaries` run the new version, `controls` are devices of the same rollout that still run the one before.
    `drift` is how far the canaries' data are from the training data (total variation) in the feature that is
    farthest of those that alarm, 0.0 if none does. `before` are the verdicts that this rollout's gates gave last:
    sequential tests remember there how far they were.
    """

    committed_at: float | None = None
    shadow_bar: float | None = None
    installed: tuple[Installed, ...] = ()
    awaited: int = 0
    canaries: tuple[Served, ...] = ()
    controls: tuple[Served, ...] = ()
    drift: float | None = None
    labelled: tuple[Labelled, ...] = ()
    before: tuple[GateVerdict, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a metric says. A state of None: what it reads is missing; the rule's wait decides."""

    state: GateState | None
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)
