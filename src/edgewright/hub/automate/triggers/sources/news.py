"""What happened, as occasions: alerts, snapshots, labels, times of a schedule, pushes, requests. Pure."""

from __future__ import annotations

from edgewright.contract.api import OnTime
from edgewright.hub.automate.triggers.model import Asked, Facts, Frozen, Labelled, Occasion, Pushed, Raised, Struck
from edgewright.hub.automate.triggers.rules.schedule import local_time
from edgewright.hub.events import Event

ALERT, LABELLED, SNAPSHOT = "observe.alert", "data.labelled", "data.snapshot_created"


def of_alert(event: Event, now: float) -> Occasion:
    """An alert that was raised."""
    facts = event.data
    raised = Raised(
        alerts=(facts["alert"],),
        version=int(facts.get("version", 0)),
        **{name: str(facts.get(name, "")) for name in ("kind", "level", "segment", "severity")},
    )
    return _occasion(f"alert-{facts['alert']}", now, f"alert {facts['alert']}", raised)


def of_snapshot(event: Event, run: str, now: float) -> Occasion:
    """A new snapshot, that `run` made, "" for a person."""
    id = event.subject
    frozen = Frozen(snapshot=id, dataset=id.partition("@")[0], run=run)
    return _occasion(f"snapshot-{id}", now, f"snapshot {id}", frozen)


def of_labels(number: int, count: int, now: float) -> Occasion:
    """So many new labels, as the event of that number says."""
    return _occasion(f"labels-{number}", now, f"{count} new labels", Labelled(count=count))


def crosses(before: int, after: int, every: int) -> bool:
    """Whether counting on has passed a multiple of what a trigger waits for."""
    return every > 0 and before // every < after // every


def of_strikes(when: OnTime, last: float, missed: int, now: float) -> Occasion:
    """The newest time of a schedule that has come."""
    what = f"the schedule's {local_time(when, last)}"
    if missed:
        what += f" ({missed} earlier ones passed while no hub was up)"
    return _occasion(f"time-{last:.0f}", now, what, Struck(missed=missed))


def of_push(push: Pushed, key: str, now: float) -> Occasion:
    """A push to a repository."""
    what = f"push {push.revision[:10]} to {push.branch or 'a tag'} of {push.repository or 'a repository'}"
    return _occasion(key, now, what, push)


def of_request(by: str, why: str, key: str, now: float) -> Occasion:
    """What a person or a program asks for."""
    return _occasion(f"request-{key}", now, f"asked for by {by}" + (f" ({why})" if why else ""), Asked(by=by))


def _occasion(key: str, now: float, what: str, facts: Facts) -> Occasion:
    return Occasion(key=key, at=now, since=now, what=what, facts=facts)
