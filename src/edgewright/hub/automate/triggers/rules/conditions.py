"""Whether an occasion is one that a trigger watches for: pure rules, one for each kind of trigger."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from edgewright.contract.api import OnAlert, OnCode, OnData, OnTime, When
from edgewright.hub.automate.triggers.model import Asked, Facts, Frozen, Labelled, Pushed, Raised, Struck


def mismatch(when: When, facts: Facts) -> str:
    """Why an occasion is none that the condition means; "" if it is. What a person asks for always is."""
    match when, facts:
        case _, Asked():
            return ""
        case OnTime(), Struck():
            return ""
        case OnData(), Labelled():
            return "" if when.labels else "it does not count labels"
        case OnData(), Frozen():
            return _other_snapshot(when, facts)
        case OnCode(), Pushed():
            return _other_push(when, facts)
        case OnAlert(), Raised():
            return _other_alert(when, facts)
    return "it watches for something else"


def _other_snapshot(when: OnData, snapshot: Frozen) -> str:
    if snapshot.dataset != when.dataset:
        return f"{snapshot.snapshot} is no snapshot of {when.dataset or 'a dataset that it watches'}"
    return f"run {snapshot.run} made it for itself" if snapshot.run else ""


def _other_push(when: OnCode, push: Pushed) -> str:
    if push.is_deletion:
        return "the push deletes a branch"
    if not push.branch:
        return "it is a tag, and no push to a branch"
    if not _is_among(push.branch, when.branches):
        return f"branch {push.branch} is none of {', '.join(when.branches)}"
    if push.is_whole and when.paths and not any(_is_among(path, when.paths) for path in push.paths):
        return f"none of its {len(push.paths)} paths is one of {', '.join(when.paths)}"
    return ""


def _other_alert(when: OnAlert, alert: Raised) -> str:
    wanted: tuple[tuple[str, str, Collection[str]], ...] = (
        ("kind", alert.kind, when.kinds),
        ("level", alert.level, when.levels),
        ("severity", alert.severity, when.severities),
    )
    for name, value, among in wanted:
        if among and value not in among:
            return f"its {name} {value or '(unknown)'} is none of {', '.join(among)}"
    if not _is_among(alert.segment, when.segments):
        return f"its segment {alert.segment or '(all)'} is none of {', '.join(when.segments)}"
    return ""


def _is_among(text: str, patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
