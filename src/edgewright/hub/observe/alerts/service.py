"""The verbs of alerts: raise, list, acknowledge, snooze, resolve, comment on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    AlertComment,
    AlertEdit,
    AlertKind,
    AlertLevel,
    AlertRecord,
    AlertState,
    DetectorRecord,
    FeatureDrift,
    Severity,
    Verdict,
)
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import SYSTEM, Audit, Principal
from edgewright.hub.observe.alerts import table
from edgewright.hub.observe.alerts.model import (
    Act,
    Alarm,
    Home,
    Live,
    UnknownAlert,
    check_until,
    home_of,
    news_of_sleep,
    severity_of,
    state_after,
)
from edgewright.hub.observe.alerts.wording import say

MOST_SHOWN = 1000
DEVICES_NAMED = 200
KEPT_S = 400 * 86400.0
KEPT = 10_000
OnResolved = Callable[[sa.Connection, AlertRecord], None]


@dataclass(frozen=True)
class Wanted:
    """Which alerts; what is empty lets all pass."""

    model: str = ""
    kinds: tuple[AlertKind, ...] = ()
    levels: tuple[AlertLevel, ...] = ()
    states: tuple[AlertState, ...] = ()
    least_severity: Severity = Severity.INFO
    limit: int = 200

    def takes(self, alert: AlertRecord) -> bool:
        """Whether that is one of them."""
        return (
            self.model in ("", alert.model)
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.levels or alert.level in self.levels)
            and (not self.states or alert.state in self.states)
            and alert.severity.rank >= self.least_severity.rank
        )


class Alerts:
    """Keeps alerts. At most one is live for a segment and kind: what is found again is added to it."""

    def __init__(self, db: Database, events: Events, audit: Audit, clock: Callable[[], float]) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self.on_resolved: OnResolved = lambda connection, alert: None
        """Called where an alert is resolved: its detectors begin afresh."""

    def raise_(self, connection: sa.Connection, alarm: Alarm) -> AlertRecord | None:
        """Take an alarm in. Returns the alert if it is a new one; else the live one was brought up to date."""
        live = table.live(connection, alarm.model, alarm.version, alarm.kind)
        facts = [Live(row["id"], AlertLevel(row["level"]), row["segment"]) for row in live]
        home = home_of(alarm, facts)
        for row in live:
            if row["id"] == home.id:
                self._add(connection, row, alarm)
                return None
        folded = [row for row in live if row["id"] in home.folds]
        alert = self._open(connection, alarm, home, folded)
        for row in folded:
            self._settle(connection, row, SYSTEM.name, Verdict.UNKNOWN, f"it is part of {alert.id}")
        return alert

    def chosen(self, wanted: Wanted | None = None) -> list[AlertRecord]:
        """Alerts, the newest first, at most 1,000."""
        wanted = wanted or Wanted()
        with self._db.read() as connection:
            return self.read(connection, wanted)

    def read(self, connection: sa.Connection, wanted: Wanted) -> list[AlertRecord]:
        """As `chosen`, in a transaction that is under way."""
        of = table.alert.c
        query = sa.select(table.alert).order_by(of.number.desc()).limit(min(wanted.limit, MOST_SHOWN))
        if wanted.model:
            query = query.where(of.model == wanted.model)
        for column, values in ((of.kind, wanted.kinds), (of.level, wanted.levels), (of.state, wanted.states)):
            if values:
                query = query.where(column.in_(values))
        query = query.where(of.severity.in_([one for one in Severity if one.rank >= wanted.least_severity.rank]))
        return self._records(connection, connection.execute(query).mappings().all())

    def get(self, id: str) -> AlertRecord:
        """One alert, with what people wrote and how often its detector is wrong; raises UnknownAlert."""
        with self._db.read() as connection:
            return self.find(connection, id)

    def find(self, connection: sa.Connection, id: str) -> AlertRecord:
        """As `get`, in a transaction that is under way."""
        (record,) = self._records(connection, [_row(connection, id)])
        return record

    def is_any_live(self, ids: Sequence[str]) -> bool:
        """Whether one of these alerts is not resolved."""
        of = table.alert.c
        with self._db.read() as connection:
            query = sa.select(of.id).where(of.id.in_(ids), of.state.in_(table.LIVE)).limit(1)
            return connection.scalar(query) is not None

    def act(self, principal: Principal, id: str, act: Act, edit: AlertEdit, *, dry_run: bool = False) -> AlertRecord:
        """Do that with an alert. Raises UnknownAlert, AlertMovedOn, InvalidInput; a dry run changes nothing."""
        now = self._clock()
        until = check_until(edit.until, now) if act is Act.SNOOZE else None
        with self._db.write() as connection:
            row = _row(connection, id)
            after = state_after(AlertState(row["state"]), act, id)
            if dry_run:
                return self.find(connection, id)
            if after is AlertState.RESOLVED:
                self._settle(connection, row, principal.name, edit.verdict, edit.comment)
            else:
                self._move(connection, row, after, principal.name, until, edit.comment)
            return self.find(connection, id)

    def comment(self, principal: Principal, id: str, text: str, *, dry_run: bool = False) -> AlertRecord:
        """Write something beside an alert; raises UnknownAlert."""
        with self._db.write() as connection:
            _row(connection, id)
            if text and not dry_run:
                table.add_comment(connection, id, self._clock(), principal.name, text)
                self._audit.record(connection, principal.name, "alert.comment", id)
            return self.find(connection, id)

    def resolve_all(self, connection: sa.Connection, model: str, why: str = "") -> list[str]:
        """Resolve every live alert of a model, which was repaired; returns their ids."""
        of = table.alert.c
        query = sa.select(table.alert).where(of.model == model, of.state.in_(table.LIVE)).order_by(of.number)
        rows = connection.execute(query).mappings().all()
        for row in rows:
            self._settle(connection, row, SYSTEM.name, Verdict.UNKNOWN, why)
        return [row["id"] for row in rows]

    def wake(self) -> int:
        """Open again what was snoozed until now; returns how many alerts that were."""
        of, now = table.alert.c, self._clock()
        due = sa.select(table.alert).where(of.state == AlertState.SNOOZED, of.snoozed_until <= now)
        with self._db.read() as connection:
            if connection.execute(due.limit(1)).first() is None:
                return 0
        with self._db.write() as connection:
            rows = connection.execute(due.limit(MOST_SHOWN)).mappings().all()
            for row in rows:
                self._move(connection, row, state_after(AlertState.SNOOZED, Act.WAKE, row["id"]), SYSTEM.name)
        return len(rows)

    def prune(self) -> int:
        """Forget what was resolved more than 400 days ago; returns how many alerts that were."""
        with self._db.write() as connection:
            return table.prune(connection, self._clock() - KEPT_S, KEPT)

    def _open(
        self, connection: sa.Connection, alarm: Alarm, home: Home, folded: Sequence[sa.RowMapping]
    ) -> AlertRecord:
        number = table.next_number(connection)
        id = f"{alarm.model}-{alarm.version}-{alarm.kind.replace('_', '-')}-{number}"
        devices = sorted({*alarm.devices, *(device for row in folded for device in row["devices"])})
        since = min([alarm.since, *(row["since"] for row in folded)])
        segments = sorted(
            {row["segment"] for row in folded} | ({alarm.segment} if alarm.segment != home.segment else set())
        )
        row: dict[str, Any] = {
            **{name: getattr(alarm, name) for name in ("model", "version", "kind", "detector", "designed_days")},
            **{name: getattr(alarm, name) for name in ("rows", "effect", "measure", "compared_with")},
            "level": home.level,
            "segment": home.segment,
            "severity": severity_of(home.level, alarm.times_over),
            "since": since,
            "features": msgspec.to_builtins(alarm.features),
            "devices": devices[:DEVICES_NAMED],
            "folded": segments,
            "message": _say(alarm, home, since, alarm.features, devices),
        }
        now = self._clock()
        row |= {"number": number, "id": id, "raised_at": now, "state": AlertState.OPEN, "state_by": "", "state_at": now}
        connection.execute(sa.insert(table.alert).values(**row, verdict=Verdict.UNKNOWN))
        self._events.record(connection, "observe.alert", id, **_facts(row))
        self._audit.record(connection, SYSTEM.name, "alert.raise", id, message=row["message"])
        return self.find(connection, id)

    def _add(self, connection: sa.Connection, row: sa.RowMapping, alarm: Alarm) -> None:
        """Features, devices and segments that have shown since; when it began and how many rows it took stay."""
        home = Home(row["id"], AlertLevel(row["level"]), row["segment"])
        old = {one.feature: one for one in msgspec.convert(row["features"], list[FeatureDrift])}
        features = tuple((old | {one.feature: one for one in alarm.features}).values())
        devices = sorted({*row["devices"], *alarm.devices})
        own = set() if alarm.segment == home.segment else {alarm.segment}
        worse = max(Severity(row["severity"]), severity_of(home.level, alarm.times_over), key=lambda one: one.rank)
        values = {
            "features": msgspec.to_builtins(features),
            "devices": devices[:DEVICES_NAMED],
            "folded": sorted({*row["folded"], *own}),
            "severity": worse,
            "effect": max(row["effect"], alarm.effect),
            "message": _say(alarm, home, row["since"], features, devices),
        }
        if any(row[name] != value for name, value in values.items()):
            table.change(connection, row["id"], **values)
        if worse != row["severity"] and row["state"] != AlertState.SNOOZED:  # one that sleeps tells it when it wakes
            self._events.record(connection, "observe.alert_worse", row["id"], **_facts({**row, "severity": worse}))

    def _settle(self, connection: sa.Connection, row: sa.RowMapping, by: str, verdict: Verdict, why: str) -> None:
        self._move(connection, row, AlertState.RESOLVED, by, comment=why)
        table.change(connection, row["id"], verdict=verdict)
        self._events.record(connection, "observe.alert_resolved", row["id"], **_facts(row), verdict=verdict)
        self.on_resolved(connection, self.find(connection, row["id"]))

    def _move(
        self,
        connection: sa.Connection,
        row: sa.RowMapping,
        state: AlertState,
        by: str,
        until: float | None = None,
        comment: str = "",
    ) -> None:
        now = self._clock()
        table.change(connection, row["id"], state=state, state_by=by, state_at=now, snoozed_until=until)
        if kind := news_of_sleep(AlertState(row["state"]), state):
            self._events.record(connection, f"observe.alert_{kind}", row["id"], **_facts(row))
        if comment:
            table.add_comment(connection, row["id"], now, by, comment)
        detail: dict[str, Any] = {"comment": comment} | ({"until": until} if until else {})
        self._audit.record(connection, by, f"alert.{state}", row["id"], **detail)

    def _records(self, connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[AlertRecord]:
        said: dict[str, list[AlertComment]] = {}
        for one in table.comments(connection, [row["id"] for row in rows]):
            said.setdefault(one["alert"], []).append(AlertComment(at=one["at"], author=one["author"], text=one["text"]))
        counts = {model: table.verdicts(connection, model) for model in {row["model"] for row in rows}}
        return [_record(row, said.get(row["id"], []), counts[row["model"]].get(row["detector"], {})) for row in rows]


def _row(connection: sa.Connection, id: str) -> sa.RowMapping:
    row = table.of_id(connection, id)
    if row is None:
        raise UnknownAlert(f"there is no alert '{id[:100]}'", field="alert")
    return row


def _record(row: sa.RowMapping, comments: Sequence[AlertComment], found: dict[str, int]) -> AlertRecord:
    track = DetectorRecord(
        detector=row["detector"],
        designed_days=row["designed_days"],
        true=found.get(Verdict.TRUE, 0),
        false_alarms=found.get(Verdict.FALSE_ALARM, 0),
        unsaid=found.get(Verdict.UNKNOWN, 0),
    )
    plain = {name: row[name] for name in AlertRecord.__struct_fields__ if name not in ("comments", "track")}
    return msgspec.convert(plain | {"comments": tuple(comments), "track": track}, AlertRecord)


def _facts(row: sa.RowMapping | dict[str, Any]) -> dict[str, Any]:
    names = ("model", "version", "kind", "level", "segment", "severity")
    return {"alert": row["id"], **{name: row[name] for name in names}}


def _say(alarm: Alarm, home: Home, since: float, features: Sequence[FeatureDrift], devices: Sequence[str]) -> str:
    return say(alarm.model, alarm.version, alarm.kind, home.level, home.segment, since, features, devices)
