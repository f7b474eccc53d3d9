"""What a gate's rules look at: facts of a wave's devices, as they were read at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.contract.api import GateVerdict


@dataclass(frozen=True)
class Installed:
    """What one device that has committed said of its install. None stands for what it did not measure.

    Latency and memory are shares of the budget in the manifest of its package: 1.0 is all of it.
    """

    device: str
    golden_passed: bool | None = None
    agreement: float | None = None
    score_shift: float | None = None
    latency_share: float | None = None
    memory_share: float | None = None
    has_crashed: bool = False


@dataclass(frozen=True)
class Served:
    """One device's requests: `failed` of `rows` got no answer, `unsure` ones a score in the reference's lowest tenth.

    The figures `_before` are the same device's before the rollout's first device switched, on the running version.
    """

    device: str
    rows: int
    failed: int = 0
    unsure: int = 0
    rows_before: int = 0
    failed_before: int = 0
    unsure_before: int = 0
    hardware_class: str = ""


@dataclass(frozen=True)
class Labelled:
    """Labelled requests that the new version has answered on the wave's devices."""

    right: int
    rows: int


@dataclass(frozen=True)
class Evidence:
    """What is known of a wave. `committed_at` is when its devices had done what they can; None: they have not yet.

    `canaries` run the new version, `controls` are devices of the same rollout that still run the one before.
    `before` are the verdicts that this rollout's gates gave last: sequential tests remember there how far they were.
    """

    committed_at: float | None = None
    shadow_bar: float | None = None
    installed: tuple[Installed, ...] = ()
    canaries: tuple[Served, ...] = ()
    controls: tuple[Served, ...] = ()
    is_drifting: bool | None = None
    estimated_accuracy: float | None = None
    labelled: Labelled | None = None
    before: tuple[GateVerdict, ...] = ()
