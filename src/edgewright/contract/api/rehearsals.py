"""Rehearsals: a rollout played on a simulated copy of this fleet, as planned and with a release that is bad."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.api.rollouts import GateVerdict, RolloutDraft, RolloutState


class Badness(StrEnum):
    """What is wrong with the release that a rehearsal rolls out on purpose."""

    FAILS_GOLDEN = "fails_golden"  # on a device's own runtime its golden outputs differ
    CRASHES = "crashes"  # again and again, from an hour after it has taken over
    SLOWER = "slower"  # three times slower than the package was measured
    HEAVIER = "heavier"  # three times the memory that the package was measured with
    DISAGREES = "disagrees"  # with the version before, on four requests of ten; its scores shift too
    ERRORS = "errors"  # twice as many requests fail as with the version before
    UNSURE = "unsure"  # its scores are a third lower, and three times as many are among the lowest


class RuleAnswer(StrEnum):
    """What a rule of a gate does about a release."""

    STOPPED = "stopped"
    NOT_STOPPED = "not_stopped"
    CANNOT_SAY = "cannot_say"  # what it reads was not there


class RehearsedRule(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule would have done by itself. `rule` is a metric of a gate, or 'installs': the count of those."""

    rule: str
    answer: RuleAnswer
    reason: str
    wave: int = 0  # in which it stopped the release


class RehearsalDraft(msgspec.Struct, frozen=True, kw_only=True):
    """`rollout` as it would be started. Larger groups than `max_devices` are scaled down, by whole sites."""

    rollout: RolloutDraft
    badness: tuple[Badness, ...] = tuple(Badness)
    seed: int = 0
    max_devices: int = 2000


class RehearsedWave(msgspec.Struct, frozen=True, kw_only=True):
    """One wave, and what its gate said last. Moments are seconds from the rollout's start."""

    number: int
    size: int
    state: str
    reason: str
    committed: int
    failed: int
    started_s: float | None = None
    ended_s: float | None = None
    verdicts: tuple[GateVerdict, ...] = ()


class RehearsedSite(msgspec.Struct, frozen=True, kw_only=True):
    """One site: devices that agree in the label of the rollout's budgets or caps, else in `site`."""

    name: str
    devices: int
    bytes: int
    busy_s: float  # its line was taken for so long
    ended_s: float | None = None  # when the last of its devices had answered; None: one has not


class RehearsedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One play of the rollout; `badness` None: with the release as it is. The worst sites come first."""

    badness: Badness | None
    state: RolloutState
    reason: str
    duration_s: float
    halted_s: float | None  # when a gate stopped it
    devices: int
    touched: int  # devices that began with the release
    committed: int
    broken: int
    away: int  # that had not answered at the end
    bytes: int
    waves: tuple[RehearsedWave, ...]
    sites: tuple[RehearsedSite, ...]
    sites_count: int = 0  # of all sites; `sites` has the twenty worst
    rules: tuple[RehearsedRule, ...] = ()
    effect: str = ""  # what the badness comes to on this fleet, in words
    touched_at: tuple[tuple[float, int], ...] = ()  # seconds from the start, and how many were touched by then


class RehearsalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal found. `assumptions` says what was measured on this fleet, and what had to be assumed."""

    id: str
    release: str
    group: str
    devices: int  # of the group, that the release fits
    simulated: int
    seed: int
    assumptions: tuple[str, ...]
    runs: tuple[RehearsedRun, ...]
    took_s: float
