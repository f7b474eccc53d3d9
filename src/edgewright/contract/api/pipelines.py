"""The steps of a pipeline: what people ask for, and what came of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from edgewright.contract.api.data import FileRef
from edgewright.contract.api.tasks import Limits, Where


class Does(StrEnum):
    """What a step contributes."""

    COLLECT = "collect"  # samples from the field and their labels join the dataset: a new snapshot
    CLEAN = "clean"  # rows that will not do leave it: a new snapshot
    TRAIN = "train"  # a version, by a command or a function of the user's
    TRANSFER = "transfer"  # a version: the parent with a new last layer
    EVALUATE = "evaluate"  # challenger against champion
    OPTIMISE = "optimise"  # variants for the targets
    PACKAGE = "package"  # a release, which waits until people have signed and approved it
    ROLL_OUT = "roll_out"  # a rollout to a group
    COMMAND = "command"  # whatever a command of the user's does: its files go to later steps

    @property
    def is_free(self) -> bool:
        """Whether a command or a function of the user's may do it."""
        return self in (Does.CLEAN, Does.TRAIN, Does.COMMAND)


class StepDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step. It runs after those it `needs`: the one before it where that is None.

    `outputs` are the files that a COMMAND leaves in EW_OUTPUT_DIR (CLEAN: the files of the new snapshot); later steps
    find them in EW_INPUT_DIR. `inputs` are files that it cannot do without. `metrics` find numbers in a training's
    output where it writes no metrics.json: a name, and a regular expression with one group, whose last match counts
    (SageMaker's metric definitions). `channels` name folders of EW_INPUT_DIR as SageMaker does.
    """

    name: str
    does: Does
    command: str = ""
    function: str = ""  # 'file.py:function', marked with @edgewright.step
    needs: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    params: dict[str, Any] = {}
    where: Where = Where()
    limits: Limits = Limits()
    metrics: dict[str, str] = {}
    channels: dict[str, str] = {}
    has_arguments: bool = False  # parameters as `--name value` too, as SageMaker passes them
    has_parent: bool = True  # training starts from the champion's weights, where there is a champion
    is_cached: bool = True


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one run does otherwise than its pipeline says."""

    snapshot: str = ""  # learn from this one: nothing is collected
    champion: int = 0  # the version to start from and to beat; 0: that of the newest good release
    params: dict[str, dict[str, Any]] = {}  # by step
    alert: str = ""  # what made a trigger start it
    from_step: str = ""  # the steps before it are taken from earlier runs; it and those after it are done anew
    use_cache: bool = True


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"  # for people or devices: `note` says for what
    DONE = "done"
    REUSED = "reused"  # an earlier run did the same: `reused_from`
    SKIPPED = "skipped"  # there was nothing to do: `note` says why
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one run. `facts` are what it found out or made (snapshot, version, release, …)."""

    run: str
    name: str
    does: Does
    state: StepState = StepState.PENDING
    note: str = ""
    digest: str = ""  # over all its inputs; "" for steps that are about now
    facts: dict[str, Any] = {}
    files: tuple[FileRef, ...] = ()
    reused_from: str = ""  # the run that did it
    child: str = ""  # the run of its own that does the work, with its log
    where: str = ""  # the machine that did it
    started_at: float | None = None
    ended_at: float | None = None
