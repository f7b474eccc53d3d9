"""The nouns of triggers: occasions with their facts, where a trigger stands, and what is decided."""

from __future__ import annotations

import time

import msgspec

from edgewright.contract.api import OccasionRecord, OccasionState
from edgewright.contract.errors import Conflict, HostileInput, NotFound, NotLoggedIn, Refused

SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
MAX_JOINED_ALERTS = 50


class UnknownTrigger(NotFound):
    code = "unknown_trigger"
    hint = "`edgewright trigger ls` lists the triggers."


class UnknownOccasion(NotFound):
    code = "unknown_occasion"
    hint = "Ask with another key, or with none."


class TriggerExists(Conflict):
    code = "trigger_exists"
    hint = "Choose another name, or remove that trigger first: edgewright trigger rm NAME."


class TakesNoPushes(Refused):
    code = "takes_no_pushes"
    hint = "Set one that does: edgewright trigger set MODEL --name NAME --on code."


class WrongSignature(NotLoggedIn):
    code = "wrong_signature"
    hint = "Give the forge's webhook the secret that the trigger has: edgewright trigger secret NAME makes a new one."


class UnreadablePush(HostileInput):
    code = "unreadable_push"
    hint = "Let the forge send pushes as application/json."


class PushTooLarge(HostileInput):
    code = "push_too_large"
    hint = "Fire the trigger from your CI instead: edgewright trigger fire NAME."
    http_status = 413


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag="asked"):
    """Somebody wants a run."""

    by: str


class Struck(msgspec.Struct, frozen=True, kw_only=True, tag="struck"):
    """A time of the schedule came; `missed` earlier ones passed while no hub was up."""

    missed: int = 0


class Labelled(msgspec.Struct, frozen=True, kw_only=True, tag="labelled"):
    """So many labels are new since the last run."""

    count: int


class Frozen(msgspec.Struct, frozen=True, kw_only=True, tag="frozen"):
    """A dataset has a new snapshot; `run` made it, "" stands for a person."""

    snapshot: str
    dataset: str
    run: str = ""


class Pushed(msgspec.Struct, frozen=True, kw_only=True, tag="pushed"):
    """Commits came to a branch of a repository. `branch` is "" for a tag; `is_whole` says that all paths are named."""

    repository: str
    branch: str
    revision: str
    paths: tuple[str, ...] = ()
    is_whole: bool = True
    is_deletion: bool = False


class Raised(msgspec.Struct, frozen=True, kw_only=True, tag="raised"):
    """An alert was raised; `alerts` has the ids of those that it joins as well, itself the last."""

    alerts: tuple[str, ...]
    version: int = 0
    kind: str = ""
    level: str = ""
    segment: str = ""
    severity: str = ""


Facts = Asked | Struck | Labelled | Frozen | Pushed | Raised


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a trigger watches for, at `at`; earlier ones that it stands for began at `since`."""

    key: str
    at: float
    since: float
    what: str
    facts: Facts


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a trigger stands: when its runs of the budget's period began, and which are at work on its model now."""

    is_paused: bool = False
    fired: tuple[float, ...] = ()  # rising
    active: tuple[str, ...] = ()
    over: str = ""  # why the occasion in hand no longer calls for anything


class Decision(msgspec.Struct, frozen=True):
    """FIRED, WAITING until a moment, or NOT_FIRED; and why."""

    state: OccasionState
    why: str
    until: float | None = None


def join(earlier: Occasion, later: Occasion) -> Occasion:
    """The later occasion, standing for the earlier one too."""
    facts = later.facts
    if isinstance(facts, Raised) and isinstance(earlier.facts, Raised):
        alerts = (*earlier.facts.alerts, *facts.alerts)[-MAX_JOINED_ALERTS:]
        facts = msgspec.structs.replace(facts, alerts=alerts)
    return msgspec.structs.replace(later, since=min(earlier.since, later.since), facts=facts)


def to_record(trigger: str, occasion: Occasion, decision: Decision, now: float, run: str = "") -> OccasionRecord:
    """What people are told of an occasion."""
    return OccasionRecord(
        trigger=trigger,
        key=occasion.key,
        at=occasion.at,
        what=occasion.what,
        state=decision.state,
        why=decision.why,
        decided_at=now,
        due_at=decision.until,
        run=run,
    )


def spoken(seconds: float) -> str:
    """A time span in its largest unit, as people say it."""
    for length_s, unit in SPANS:
        if seconds >= length_s:
            return f"{seconds / length_s:.3g} {unit}"
    return "0 s"


def clock_time(at: float) -> str:
    """A moment in UTC, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
