"""What the pages of triggers show, prepared for their templates: pure functions from records to words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.contract.api import (
    OccasionRecord,
    OccasionState,
    OnAlert,
    OnCode,
    OnData,
    OnTime,
    TriggerDraft,
    TriggerPage,
    TriggerRecord,
    When,
)
from edgewright.hub.web.browsing.frame import link
from edgewright.hub.web.views import Moment, moment
from edgewright.hub.web.wording import duration, plural, utc


@dataclass(frozen=True)
class Decided:
    """What became of an occasion. `until` is when one that waits is decided upon."""

    record: OccasionRecord
    at: Moment
    until: str


@dataclass(frozen=True)
class TriggerView:
    """One trigger. `facts` say what it watches for and its limits, by name; `filters` lead to decisions of one kind."""

    record: TriggerRecord
    state: str
    condition: str
    facts: tuple[tuple[str, str], ...]
    decided: tuple[Decided, ...]
    filters: tuple[tuple[str, str, bool], ...]
    path: str
    poll: str


def trigger_view(found: TriggerPage, among: str, now: float) -> TriggerView:
    """One trigger with its last decisions; those `among` one state, where that is not ''."""
    record, path = found.trigger, f"/triggers/{found.trigger.name}"
    states = [("all", path, not among)]
    states += [(one.value.replace("_", " "), link(path, state=one), among == one) for one in OccasionState]
    return TriggerView(
        record=record,
        state="paused" if record.is_paused else "waiting" if record.waiting else "watches",
        condition=condition(record.draft.when),
        facts=tuple((name, words) for name, words in _facts(record, now) if words),
        decided=decided(found.history, now),
        filters=tuple(states),
        path=path,
        poll=link(f"{path}/part", state=among),
    )


def decided(history: Sequence[OccasionRecord], now: float) -> tuple[Decided, ...]:
    """Decisions as people read them."""
    return tuple(
        Decided(
            record=one,
            at=moment(one.at, now),
            until=utc(one.due_at, "%Y-%m-%d %H:%M:%S UTC") if one.due_at and one.state == "waiting" else "",
        )
        for one in history
    )


def condition(when: When) -> str:
    """What a trigger watches for."""
    if isinstance(when, OnTime):
        return f"by the clock: {when.cron} ({when.time_zone})"
    if isinstance(when, OnData):
        return f"after {plural(when.labels, 'new label')}" if when.labels else f"with a new snapshot of {when.dataset}"
    if isinstance(when, OnCode):
        branches = f" to {' or '.join(when.branches)}" if when.branches else ""
        paths = f" that changes {' or '.join(when.paths)}" if when.paths else ""
        return f"with a push{branches}{paths}, from {when.forge.title()}"
    if isinstance(when, OnAlert):
        return _on_alert(when)
    return "when somebody asks"


def _on_alert(when: OnAlert) -> str:
    kinds = " or ".join(one.replace("_", " ") for one in when.kinds)
    told = [f" of {kinds}"] if kinds else []
    told += [f", {' or '.join(when.severities)}"] if when.severities else []
    told += [f", on a {' or '.join(when.levels)}"] if when.levels else []
    told += [f", where {' or '.join(when.segments)}"] if when.segments else []
    return f"with an alert{''.join(told)}"


def _facts(record: TriggerRecord, now: float) -> list[tuple[str, str]]:
    draft = record.draft
    wanted = draft.when.labels if isinstance(draft.when, OnData) else 0
    return [
        ("New labels", f"{record.labels:,} of {wanted:,}" if wanted else ""),
        ("Next by the clock", utc(record.next_at, "%Y-%m-%d %H:%M UTC") if record.next_at else ""),
        ("Last run", moment(record.last_fired_at, now).text if record.last_fired_at else "none yet"),
        ("Budget", f"{record.runs:,} of {plural(draft.max_runs, 'run')} used in {duration(draft.period_s)}"),
        ("Limits", _limits(draft)),
        ("Pushes go to", record.hook),
        ("Set by", f"{record.created_by}; its runs act with their roles"),
    ]


def _limits(draft: TriggerDraft) -> str:
    told = [f"waits for {duration(draft.debounce_s)} of quiet"] if draft.debounce_s else []
    told += [f"{duration(draft.cooldown_s)} from one run to the next"] if draft.cooldown_s else []
    told.append(f"{plural(draft.max_concurrent, 'run')} on the model at a time")
    quiet = f"nothing within {' and '.join(draft.quiet_hours)} ({draft.time_zone})"
    return "; ".join([*told, quiet] if draft.quiet_hours else told)
