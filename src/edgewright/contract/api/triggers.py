"""Triggers: rules that start runs by request, time, data, code or alerts, and what became of each occasion."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from edgewright.contract.api.alerts import AlertKind, AlertLevel, Severity
from edgewright.contract.api.rollouts import Reason


class Forge(StrEnum):
    """Who sends pushes."""

    GITHUB = "github"
    GITLAB = "gitlab"


class OnRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="on", tag="request", forbid_unknown_fields=True):
    """When a person or a program says so, and only then; every other trigger can be fired like this as well."""


class OnTime(msgspec.Struct, frozen=True, kw_only=True, tag_field="on", tag="time", forbid_unknown_fields=True):
    """By the clock: `cron` has five fields, and means the local time of `time_zone`."""

    cron: str
    time_zone: str = "UTC"


class OnData(msgspec.Struct, frozen=True, kw_only=True, tag_field="on", tag="data", forbid_unknown_fields=True):
    """After `labels` new labels of the model's samples since the last run, or with a new snapshot of `dataset`."""

    labels: int = 0
    dataset: str = ""


class OnCode(msgspec.Struct, frozen=True, kw_only=True, tag_field="on", tag="code", forbid_unknown_fields=True):
    """With a push to one of `branches` that changes one of `paths`. All are patterns; none stands for any."""

    forge: Forge = Forge.GITHUB
    branches: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class OnAlert(msgspec.Struct, frozen=True, kw_only=True, tag_field="on", tag="monitoring", forbid_unknown_fields=True):
    """With an alert on the model. None stands for any; `segments` are patterns."""

    kinds: tuple[AlertKind, ...] = ()
    levels: tuple[AlertLevel, ...] = ()
    segments: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()


When = OnRequest | OnTime | OnData | OnCode | OnAlert


class TriggerDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Start the pipeline of `model` when `when` says so, within these limits.

    `params` go to the pipeline's steps, by the step's name, over those that it has.
    """

    name: str
    model: str
    when: When
    debounce_s: float = 0.0  # wait until it has been quiet for so long: many occasions make one run
    cooldown_s: float = 3600.0  # from the begin of a run to that of the next
    max_runs: int = 10  # the budget: so many in each period
    period_s: float = 30 * 86400.0
    max_concurrent: int = 1  # runs at work on the model, whichever triggers began them
    quiet_hours: tuple[str, ...] = ()  # windows like 'mon-fri 22:00-05:00'
    time_zone: str = "UTC"  # of the quiet hours
    params: dict[str, dict[str, Any]] = {}


class OccasionState(StrEnum):
    """What became of an occasion. All but WAITING are final."""

    WAITING = "waiting"
    FIRED = "fired"
    NOT_FIRED = "not_fired"
    JOINED = "joined"  # a later occasion stands for it


class OccasionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a trigger watches for, what became of it, and why. `key` is its own among the trigger's."""

    trigger: str
    key: str
    at: float
    what: str
    state: OccasionState
    why: str
    decided_at: float
    due_at: float | None = None  # when it is decided upon again, where it waits
    run: str = ""


class ForecastRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger would have done with what happened since `since`, had each run taken `run_s` seconds."""

    since: float
    run_s: float
    occasions: int
    fired: int
    examples: tuple[OccasionRecord, ...] = ()  # the newest, at most ten


class TriggerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger as it stands. `created_by` is the person who set it last: its runs act with their roles."""

    name: str
    model: str
    draft: TriggerDraft
    created_by: str
    created_at: float
    is_paused: bool = False
    runs: int = 0  # within the budget's period
    active: tuple[str, ...] = ()  # the runs at work on the model that triggers began
    last_fired_at: float | None = None
    next_at: float | None = None  # by the clock
    labels: int = 0  # new ones, where they are counted
    waiting: OccasionRecord | None = None
    last: OccasionRecord | None = None
    secret: str = ""  # of its webhook; told once, when it is made
    forecast: ForecastRecord | None = None  # of a dry run

    @property
    def hook(self) -> str:
        """The path that pushes are sent to, "" where it takes none."""
        return f"/api/v1/hooks/{self.name}" if isinstance(self.draft.when, OnCode) else ""


class HookReply(msgspec.Struct, frozen=True, kw_only=True):
    """What a forge is told of its push: what was decided (None where there was nothing to decide), and why."""

    state: OccasionState | None = None
    note: str = ""


class FireDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Fire now, within the limits. The same `key` again is the same request."""

    why: Reason = ""
    key: str = ""
