"""What the pages of runs show, prepared for their templates: pure functions from records to words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edgewright.contract.api import RunPage, RunRecord, RunState, StepRecord, StepState
from edgewright.hub.web.browsing.frame import link
from edgewright.hub.web.views import Moment, moment
from edgewright.hub.web.wording import Segment, duration, segments, tone

MAX_FACT_CHARS = 300


@dataclass(frozen=True)
class Asked:
    """Which runs a page lists; `skip` newer ones are not."""

    kind: str
    subject: str
    skip: int

    def link(self, path: str, skip: int) -> str:
        """The same list elsewhere, or another page of it."""
        return link(path, kind=self.kind, subject=self.subject, skip=skip)


@dataclass(frozen=True)
class Row:
    record: RunRecord
    started: Moment
    took: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class RunsView:
    asked: Asked
    rows: tuple[Row, ...]
    first: str
    next: str
    poll: str
    data: str


@dataclass(frozen=True)
class Step:
    """One step. `facts` are what it found out or made; `why` says where a result comes from, or what it waits for."""

    record: StepRecord
    why: str
    facts: tuple[tuple[str, str], ...]
    took: str


@dataclass(frozen=True)
class RunView:
    """One run. `logs` are a title, the run whose log it is, and its text."""

    row: Row
    steps: tuple[Step, ...]
    reused: int
    result: tuple[tuple[str, str], ...]
    logs: tuple[tuple[str, str, str], ...]
    commands: tuple[tuple[str, str], ...]
    path: str


def runs_view(asked: Asked, found: Sequence[RunRecord], has_more: bool, size: int, now: float) -> RunsView:
    """A list, with the ways on from it."""
    return RunsView(
        asked=asked,
        rows=tuple(_row(one, now) for one in found),
        first=asked.link("/runs", 0) if asked.skip else "",
        next=asked.link("/runs", asked.skip + size) if has_more else "",
        poll=asked.link("/runs/part", asked.skip),
        data=asked.link("/runs.json", asked.skip),
    )


def run_view(found: RunPage, now: float) -> RunView:
    """One run with its steps and its log, and the log of the step that was at work last."""
    record, child = found.run, found.child
    logs = [("Log", record.id, record.log)] if record.log or child is None else []
    logs += [(f"Log of {child.id.removeprefix(f'{record.id}-')}", child.id, child.log)] if child else []
    return RunView(
        row=_row(record, now),
        steps=tuple(_step(one, now) for one in found.steps),
        reused=sum(one.state is StepState.REUSED for one in found.steps),
        result=_facts(record.result),
        logs=tuple(logs),
        commands=_commands(record),
        path=f"/runs/{record.id}",
    )


def _row(record: RunRecord, now: float) -> Row:
    fraction = 1.0 if record.state is RunState.DONE else record.fraction
    return Row(
        record=record,
        started=moment(record.started_at, now),
        took=duration((record.ended_at or now) - record.started_at),
        segments=segments(1.0, [(tone(record.state), fraction)]),
    )


def _step(record: StepRecord, now: float) -> Step:
    took = duration((record.ended_at or now) - record.started_at) if record.started_at else ""
    return Step(record, "" if record.reused_from else record.note, _facts(record.facts), took)


def _facts(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What is known, by name, in words; what is empty is left out."""
    return tuple(
        (name.replace("_", " "), _said(value)) for name, value in found.items() if value not in ("", None, [], {})
    )


def _said(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if isinstance(value, float):
        text = f"{value:.6g}"
    return text if len(text) <= MAX_FACT_CHARS else f"{text[:MAX_FACT_CHARS]} …"


def _commands(record: RunRecord) -> tuple[tuple[str, str], ...]:
    if record.state.is_ended:
        return (("See it on the terminal", f"edgewright run show {record.id}"),)
    follow = ("Follow it on the terminal", f"edgewright run show {record.id} --follow")
    return (follow, ("End it at its next step", f"edgewright run cancel {record.id}"))
