"""Durable work: runs, pipelines, triggers, evaluations."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from edgewright.contract.api.data import FileRef
from edgewright.contract.api.pipelines import StepDraft
from edgewright.contract.api.rollouts import GateDraft
from edgewright.contract.manifest import File
from edgewright.contract.refinement import Refinement


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # for people or devices; `step` says for what
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """Whether a run in this state never changes again."""
        return self in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of durable work. `fraction` is between 0 and 1."""

    id: str
    kind: str
    subject: str
    state: RunState
    step: str
    fraction: float
    started_at: float
    ended_at: float | None = None
    error: str = ""
    result: dict[str, Any] = {}
    log: str = ""
    why: str = ""


class PipelineDraft(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is trained and kept good: the [pipeline] of edgewright.toml, with the code by digest.

    `command` trains where `steps` are empty, which stand for: collect, train, evaluate, optimise, package, roll out.
    """

    model: str
    dataset: str
    command: str
    code: tuple[FileRef, ...]
    code_revision: str = ""
    params: dict[str, Any] = {}
    targets: tuple[str, ...] = ()
    timeout_s: float = 600.0
    seed: int = 0
    task: str = "classification"
    refinement: Refinement = Refinement()  # what the trained file's inferred contract cannot say
    files: tuple[File, ...] = ()  # tables of its steps, which go into every package
    steps: tuple[StepDraft, ...] = ()


class TrainDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Train a model by its stored pipeline. `snapshot` "" means the dataset's newest."""

    model: str
    snapshot: str = ""
    parent: int = 0
    params: dict[str, Any] = {}


class TriggerDraft(msgspec.Struct, frozen=True, kw_only=True):
    """On drift of `model`: collect `samples` samples, await labels for `min_labels`, retrain, prepare a release."""

    model: str
    samples_per_device: int = 100
    min_labels: int = 200
    cooldown_s: float = 3600.0
    max_runs: int = 10
    rollout_group: str = ""  # where the repaired model shall go; "" leaves the rollout to people
    rollout_waves: tuple[int, ...] = ()
    gate: GateDraft = GateDraft()


class TriggerRecord(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    draft: TriggerDraft
    created_by: str
    runs: int
    last_fired_at: float | None = None
    last_decision: str = ""


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Challenger against champion on one pinned hold-out file."""

    model: str
    challenger: int
    champion: int
    holdout: str  # snapshot id and file
    rows: int
    accuracy_champion: float
    accuracy_challenger: float
    agreement: float
    low: float  # 95 % interval of the difference in accuracy, paired bootstrap
    high: float
    is_better: bool
    created_at: float
