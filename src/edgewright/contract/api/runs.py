"""Durable work: runs and pipelines."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from edgewright.contract.api.data import FileRef
from edgewright.contract.api.judging import JudgingRules
from edgewright.contract.api.pipelines import StepDraft
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
    refinement: Refinement = msgspec.field(default_factory=Refinement)  # what no inferred contract says
    files: tuple[File, ...] = ()  # tables of its steps, which go into every package
    steps: tuple[StepDraft, ...] = ()
    judging: JudgingRules = JudgingRules()  # how what it trains is judged


class TrainDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Train a model by its stored pipeline. `snapshot` "" means the dataset's newest."""

    model: str
    snapshot: str = ""
    parent: int = 0
    params: dict[str, Any] = {}
