"""One step of one run, as its doing sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from edgewright.contract.api import Overrides, PipelineDraft, RunState, StepDraft, StepState
from edgewright.hub.automate.pipelines.keys import Inputs
from edgewright.hub.automate.pipelines.model import Found, Result
from edgewright.hub.automate.pipelines.records import Records
from edgewright.hub.jobs import RunContext

LOOK_AGAIN_S = 300.0
"""News wake a run at once; this is for news that never came. Each look stays in the run's durable record."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a run: the pipeline as it was when it was asked for, its steps in order, and who asked."""

    pipeline: PipelineDraft
    steps: tuple[StepDraft, ...]
    overrides: Overrides
    principal: str
    why: str = ""


@dataclass(frozen=True)
class Job:
    """A step at work. Every effect lies in `once`, whose result (JSON) is saved, and which may be repeated."""

    context: RunContext
    asked: Asked
    step: StepDraft
    found: Found
    fraction: float
    records: Records

    @property
    def run(self) -> str:
        """The run's id."""
        return self.context.id

    @property
    def model(self) -> str:
        """The model that the pipeline makes."""
        return self.asked.pipeline.model

    @property
    def child(self) -> str:
        """The id of the run of its own that does this step's work, where one does."""
        return f"{self.run}-{self.step.name}"

    def once(self, what: str, act: Callable[..., Any], *args: Any) -> Any:
        """See RunContext.step."""
        return self.context.step(f"{self.step.name}: {what}", act, *args)

    def wait_until(self, note: str, holds: Callable[[], bool]) -> None:
        """Wait, for as long as it takes, until something holds; people see `note` if it does not hold at once."""
        if self.once("look", holds):
            return
        self.tell(StepState.WAITING, note)
        while not self.once("look", holds):
            self.context.wait(LOOK_AGAIN_S)
        self.tell(StepState.RUNNING, "")

    def tell(self, state: StepState, note: str, child: str = "") -> None:
        """Show people how far the step is."""
        is_waiting = state is StepState.WAITING
        shown = f"{self.step.name}: {note}" if note else self.step.name
        run_state = RunState.WAITING if is_waiting else RunState.RUNNING
        self.context.report(shown, self.fraction, state=run_state)
        self.once("note", self._note, state, note, child)

    def _note(self, state: StepState, note: str, child: str) -> None:
        record = self.records.get(self.run, self.step.name)
        changed = msgspec.structs.replace(record, state=state, note=note, child=child or record.child)
        self.records.save(changed)


class Doing(Protocol):
    """How one kind of step is done. Its methods may be called again after a crash."""

    def inputs(self, job: Job) -> Inputs | None:
        """All that decides what comes out; None for a step that is about now, and is never used again."""

    def holds(self, job: Job, result: Result) -> bool:
        """Whether what an earlier run made is still there to be used."""

    def act(self, job: Job) -> Result:
        """Do it; raises an EdgewrightError, with which the run ends."""
