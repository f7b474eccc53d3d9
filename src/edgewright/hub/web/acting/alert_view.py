"""What the pages of alerts show, prepared for their templates: pure functions from records to words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewright.contract.api import (
    AlertComment,
    AlertKind,
    AlertLevel,
    AlertPage,
    AlertRecord,
    AlertState,
    AuditEntry,
    DetectorRecord,
    FeatureDrift,
    Severity,
)
from edgewright.hub.observe.alerts import Act
from edgewright.hub.observe.alerts.model import MANY, NEXT
from edgewright.hub.web.browsing.frame import link
from edgewright.hub.web.views import Moment, moment
from edgewright.hub.web.wording import Segment, plural, segments, utc

FEATURES_TOLD = 3
DEVICES_TOLD = 12
DEEDS = {"alert.raise": "raised", "alert.open": "opened again"}
"""What the audit log has other words for."""


@dataclass(frozen=True)
class Asked:
    """Which alerts a page lists, as the address has it; `state` '' leaves out those resolved. `skip` newer ones are."""

    model: str = ""
    kind: str = ""
    level: str = ""
    state: str = ""
    severity: str = ""
    skip: int = 0

    def link(self, path: str, skip: int) -> str:
        """The same list elsewhere, or another page of it."""
        asked = {"model": self.model, "kind": self.kind, "level": self.level, "state": self.state}
        return link(path, **asked, severity=self.severity, skip=skip)


@dataclass(frozen=True)
class Choice:
    """One field of the filter: its options are a value and a word."""

    name: str
    title: str
    chosen: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    record: AlertRecord
    title: str
    where: str
    since: Moment
    much: str


@dataclass(frozen=True)
class AlertsView:
    choices: tuple[Choice, ...]
    is_filtered: bool
    rows: tuple[Row, ...]
    first: str
    next: str
    poll: str
    data: str


@dataclass(frozen=True)
class Told:
    """Something that was done or written."""

    key: str
    who: str
    at: Moment
    words: str
    text: str


@dataclass(frozen=True)
class AlertView:
    """One alert. `facts` explain it, by name; `acts` are what may be done with it in its state."""

    row: Row
    standing: str
    facts: tuple[tuple[str, str], ...]
    track: tuple[str, ...]
    features: tuple[tuple[FeatureDrift, tuple[Segment, ...]], ...]
    devices: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    history: tuple[Told, ...]
    acts: frozenset[str]
    path: str


def alerts_view(
    asked: Asked,
    found: Sequence[AlertRecord],
    has_more: bool,
    size: int,
    models: Sequence[str],
    names: Mapping[str, str],
    now: float,
) -> AlertsView:
    """A list, with its filter and the ways on from it; `names` are devices' by id."""
    return AlertsView(
        choices=_choices(asked, models),
        is_filtered=asked != Asked(),
        rows=tuple(_row(one, names, now) for one in found),
        first=asked.link("/alerts", 0) if asked.skip else "",
        next=asked.link("/alerts", asked.skip + size) if has_more else "",
        poll=asked.link("/alerts/part", asked.skip),
        data=asked.link("/alerts.json", asked.skip),
    )


def alert_view(found: AlertPage, now: float) -> AlertView:
    """One alert with all that explains it."""
    record = found.alert
    row = _row(record, found.names, now)
    named = tuple((id, found.names.get(id, id)) for id in record.devices)
    largest = max([1.0, *(one.effect for one in record.features)])
    return AlertView(
        row=row,
        standing=_standing(record, now),
        facts=tuple((name, words) for name, words in _facts(record, row, now) if words),
        track=_track(record.track, record.model) if record.track else (),
        features=tuple((one, segments(largest, [("bad", one.effect)])) for one in record.features),
        devices=named[:DEVICES_TOLD],
        others=named[DEVICES_TOLD:],
        history=_history(found.history, record.comments, now),
        acts=frozenset(act for state, act in NEXT if state is record.state and act is not Act.WAKE),
        path=f"/alerts/{record.id}",
    )


def words(value: str) -> str:
    """'data_drift' as people say it."""
    return value.replace("_", " ")


def _choices(asked: Asked, models: Sequence[str]) -> tuple[Choice, ...]:
    kinds, levels = ([(str(one), words(one)) for one in kind] for kind in (AlertKind, AlertLevel))
    states = [("", "not resolved"), *((str(one), words(one)) for one in AlertState), ("all", "any")]
    severities = [("", "any"), (Severity.WARNING, "warning or worse"), (Severity.CRITICAL, "critical")]
    return (
        Choice("model", "Model", asked.model, (("", "any"), *((name, name) for name in models))),
        Choice("kind", "Kind", asked.kind, (("", "any"), *kinds)),
        Choice("level", "Level", asked.level, (("", "any"), *levels)),
        Choice("state", "State", asked.state, tuple(states)),
        Choice("severity", "Severity", asked.severity, tuple(severities)),
    )


def _row(record: AlertRecord, names: Mapping[str, str], now: float) -> Row:
    of = f"{record.model} v{record.version}" if record.version else record.model
    told = [f"{one.feature} {one.direction} {one.effect:.2f}" for one in record.features[:FEATURES_TOLD]]
    told += [f"{len(record.features) - FEATURES_TOLD} more"] if len(record.features) > FEATURES_TOLD else []
    return Row(
        record=record,
        title=f"{words(record.kind).capitalize()} of {of}",
        where=_where(record, names),
        since=moment(record.since, now),
        much=", ".join(told) or f"{record.effect:.2f} {record.measure}",
    )


def _where(record: AlertRecord, names: Mapping[str, str]) -> str:
    if record.level is AlertLevel.DEVICE:
        return "several devices" if record.segment == MANY else names.get(record.segment, record.segment)
    if record.level is AlertLevel.COHORT:
        return record.segment
    return "the whole fleet" if record.level is AlertLevel.FLEET else "the whole version"


def _standing(record: AlertRecord, now: float) -> str:
    if not record.state_by:
        return f"Raised {moment(record.raised_at, now).text}"
    until = f" until {utc(record.snoozed_until, '%Y-%m-%d %H:%M UTC')}" if record.snoozed_until else ""
    was = f" as {words(record.verdict)}" if record.verdict else ""
    return f"{record.state.capitalize()}{was}{until} by {record.state_by}, {moment(record.state_at, now).text}"


def _facts(record: AlertRecord, row: Row, now: float) -> list[tuple[str, str]]:
    since = utc(record.since, "%Y-%m-%d %H:%M:%S UTC")
    found = f"found after {plural(record.rows, 'row')}"
    return [
        ("Where", f"{record.level} {row.where}" if record.segment else row.where),
        ("Since", f"{since}, {row.since.text}; {found}"),
        ("How much", f"{record.effect:.3f} {record.measure} where it is furthest"),
        ("Compared with", record.compared_with),
        ("Takes in", ", ".join(record.folded)),
    ]


def _track(track: DetectorRecord, model: str) -> tuple[str, ...]:
    """How often the detector is wrong: as it was built, and as people found it to be."""
    days = plural(max(1, round(track.designed_days)), "day")
    designed = f"By design one false alarm of a segment in {days}." if track.designed_days else ""
    judged = track.true + track.false_alarms
    wrong = f"{track.false_alarms:,} of its {plural(judged, 'alert')} on {model} that people judged"
    found = f"{wrong} {'was a false alarm' if track.false_alarms == 1 else 'were false alarms'}."
    unsaid = f"Nobody has judged {track.unsaid:,} of them." if track.unsaid and judged else ""
    nobody = f"Nobody has yet said whether its alerts on {model} were right."
    return tuple(one for one in (designed, found if judged else nobody, unsaid) if one)


def _history(entries: Sequence[AuditEntry], comments: Sequence[AlertComment], now: float) -> tuple[Told, ...]:
    """Deeds with what was written at them, and comments by themselves; the newest first."""
    deeds = [one for one in entries if one.action != "alert.comment"]
    said = {(one.actor, str(one.detail.get("comment", ""))) for one in deeds}
    told = [(one.at, _told(one, now)) for one in deeds]
    told += [
        (one.at, Told(f"comment-{place}", one.author, moment(one.at, now), "comment", one.text))
        for place, one in enumerate(comments)
        if (one.author, one.text) not in said
    ]
    return tuple(one for _, one in sorted(told, key=lambda pair: -pair[0]))


def _told(entry: AuditEntry, now: float) -> Told:
    deed = DEEDS.get(entry.action) or words(entry.action.partition(".")[2])
    return Told(f"entry-{entry.number}", entry.actor, moment(entry.at, now), deed, str(entry.detail.get("comment", "")))
