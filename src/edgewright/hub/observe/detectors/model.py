"""What every detector takes and says: panes in, a finding out. Pure; docs/howto/write-a-detector.md shows one whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgewright.contract.api import AlertKind
from edgewright.hub.observe.detectors.baseline import Baseline

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

S = TypeVar("S")


class Reads(StrEnum):
    """What of a pane a detector looks at: where a segment has none of it, the detector need not run."""

    COUNTS = "counts"
    ANSWERS = "answers"
    DEVICES = "devices"


class Against(StrEnum):
    """What the live rows were compared with."""

    TRAINING = "the training data"
    HOLD_OUT = "the hold-out"
    SAME_HOUR = "the same hour and weekday"
    FIRST_DAYS = "this version's first days"
    VERSION_BEFORE = "the version before"
    COHORT = "its cohort"
    OTHER_GROUPS = "the other groups"


@dataclass(frozen=True)
class Answers:
    """Labelled answers, in the order in which their labels arrived; every array has one place for each.

    `predicted` and `label` are classes (or values: then `is_wrong` was decided by a tolerance). `is_even` says that
    the answer was chosen without regard to what it is (the reservoir, not the uncertain ones). `score` is NaN where
    it is not known. `groups` gives, for each attribute (such as 'site'), the value of every answer ('' = not known).
    """

    labelled_at: Floats
    predicted: Floats
    label: Floats
    is_wrong: Booleans
    is_even: Booleans
    score: Floats
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Devices:
    """Each device's own part in a pane: `counts` is (devices, slots), `cohorts` each one's (such as 'site=berlin')."""

    names: tuple[str, ...]
    counts: Floats
    cohorts: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pane:
    """What one segment saw in one span of time. Panes come in the order of `start`.

    `counts` (slots,) add up the profiles of all its devices; `rows` is how many rows they count. `expected` are the
    counts of the same hours and weekdays before, where at least two weeks of them are known. `before` are the counts
    of the version before in this schema's slots, for features whose bins never change (latency, memory, CPU,
    temperature): zero elsewhere. `noise` (slots,) is the variance that privacy added to `counts`, which may be below
    zero then.
    """

    start: float
    end: float
    rows: float
    counts: Floats
    expected: Floats | None = None
    before: Floats | None = None
    noise: Floats | None = None
    answers: Answers | None = None
    devices: Devices | None = None


@dataclass(frozen=True)
class Change:
    """One quantity that is watched, and how far it is from what it is compared with.

    `effect` is what `measure` names, never below 0; less than `tolerance` is no news, however sure. `evidence` is in
    nats, see `evidence.py`. `expected` and `seen` are what the effect is the difference of, where each is one number;
    `detail` says more where two numbers do not. `against` is given where it is not the finding's.
    """

    feature: str
    effect: float
    measure: str
    tolerance: float
    evidence: float
    direction: str = ""
    since: float = 0.0
    rows: int = 0
    expected: float | None = None
    seen: float | None = None
    device: str = ""
    group: str = ""
    against: Against | None = None
    detail: str = ""

    @property
    def is_large(self) -> bool:
        """Whether the effect is news."""
        return self.effect >= self.tolerance


@dataclass(frozen=True)
class Finding:
    """What a detector says now.

    `changes` are what it watches, the most evident first, at most `MOST_CHANGES`; `watched` is how many there are in
    all. `alarmed` are those that are an alarm by themselves: significant *and* large. Whoever runs many detectors
    on many segments asks `over_all` instead, which controls how many of all their alarms are false.
    """

    kind: AlertKind
    against: Against
    changes: tuple[Change, ...] = ()
    watched: int = 0
    alarmed: tuple[Change, ...] = ()

    @property
    def is_alarm(self) -> bool:
        """Whether anything alarms."""
        return bool(self.alarmed)

    @property
    def evidence(self) -> float:
        """Of the most evident change; 0.0 where nothing is watched."""
        return max((change.evidence for change in self.changes), default=0.0)

    @property
    def since(self) -> float:
        """Since when: of what alarms, or else of the most evident change."""
        return next((change.since for change in (*self.alarmed, *self.changes)), 0.0)

    @property
    def rows(self) -> int:
        """How many rows (labels, panes) were seen since then."""
        return next((change.rows for change in (*self.alarmed, *self.changes)), 0)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that the alarm itself names."""
        return tuple(dict.fromkeys(change.device for change in self.alarmed if change.device))


MOST_CHANGES = 200


@runtime_checkable
class Detector(Protocol[S]):
    """A rule that watches one segment. It holds settings alone: all that it has seen is in the state.

    Nothing in it reads a clock, a file or chance: the same panes give the same findings. `settings` are keyword
    arguments of its constructor, each with a default.
    """

    kind: AlertKind
    reads: frozenset[Reads]
    is_advice: bool
    """Its alarms are told and never stop a rollout or start work by themselves."""

    def watches(self, baseline: Baseline) -> tuple[str, ...]:
        """The features that it watches; none where it has nothing to say of this model."""

    def fresh(self, baseline: Baseline) -> S:
        """A state that has seen nothing."""

    def step(self, state: S, baseline: Baseline, pane: Pane) -> S:
        """The state after one pane more; a new one, `state` is not changed."""

    def judge(self, state: S, baseline: Baseline) -> Finding:
        """What `state` means."""

    def encode(self, state: S) -> bytes:
        """The state as it is stored."""

    def decode(self, data: bytes, baseline: Baseline) -> S:
        """The stored state; a fresh one of no bytes. Raises HostileInput where `data` are no state for `baseline`."""
