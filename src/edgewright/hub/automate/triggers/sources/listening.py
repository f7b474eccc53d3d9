"""Listens to the hub's events, to pushes and to the clock, and hands triggers what they watch for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import sqlalchemy as sa

from edgewright.contract.api import OccasionRecord, OnAlert, OnCode, OnData, OnTime, TriggerDraft
from edgewright.hub.automate.triggers import table
from edgewright.hub.automate.triggers.firing import Firing
from edgewright.hub.automate.triggers.model import WrongSignature
from edgewright.hub.automate.triggers.rules.schedule import last_strike, next_strike, strikes
from edgewright.hub.automate.triggers.sources import news, pushes
from edgewright.hub.automate.triggers.sources.pushes import Headers
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events


class Listening:
    """Hands occasions to `firing`. Handlers of events may be called twice: each occasion has its key."""

    def __init__(
        self, db: Database, events: Events, clock: Callable[[], float], firing: Firing, key: Callable[[], bytes]
    ) -> None:
        self._db = db
        self._clock = clock
        self._firing = firing
        self._key = key
        events.subscribe(news.ALERT, self.on_alert)
        events.subscribe(news.LABELLED, self.on_labelled)
        events.subscribe(news.SNAPSHOT, self.on_snapshot)
        events.subscribe("run.ended", self.on_run_ended)

    def on_alert(self, event: Event) -> None:
        """An alert: every trigger on its model that watches for alerts decides."""
        occasion = news.of_alert(event, self._clock())
        self._each(lambda draft: _watches_alerts(draft, event), lambda at, row: self._firing.arrive(at, row, occasion))

    def on_snapshot(self, event: Event) -> None:
        """A new snapshot. One that a run made for itself is no reason for another run."""

        def meet(connection: sa.Connection, row: sa.RowMapping) -> None:
            run = table.run_behind(connection, event.data)
            self._firing.arrive(connection, row, news.of_snapshot(event, run, self._clock()))

        self._each(lambda draft: _watches_dataset(draft, event), meet)

    def on_labelled(self, event: Event) -> None:
        """New labels are counted, but for those that a run asked for; each full number of them is an occasion."""

        def meet(connection: sa.Connection, row: sa.RowMapping) -> None:
            if event.number > row["labels_event"] and not table.run_behind(connection, event.data):
                self._count(connection, row, table.draft_of(row), event)

        self._each(lambda draft: _counts_labels(draft, event), meet)

    def _each(
        self, is_meant: Callable[[TriggerDraft], bool], meet: Callable[[sa.Connection, sa.RowMapping], object]
    ) -> None:
        """Have every trigger that is meant meet an occasion; where none is, no writer's place is taken."""
        with self._db.read() as connection:
            if not any(is_meant(table.draft_of(row)) for row in table.rows(connection)):
                return
        with self._db.write() as connection:
            for row in table.rows(connection):
                if is_meant(table.draft_of(row)):
                    meet(connection, row)

    def _count(self, connection: sa.Connection, row: sa.RowMapping, draft: TriggerDraft, event: Event) -> None:
        count = row["labels"] + int(event.data["count"])
        table.change(connection, row["name"], labels=count, labels_event=event.number)
        every = draft.when.labels if isinstance(draft.when, OnData) else 0
        if news.crosses(row["labels"], count, every):
            self._firing.arrive(connection, row, news.of_labels(event.number, count, self._clock()))

    def on_run_ended(self, event: Event) -> None:
        """The end of a run: what waits for it is decided upon at once."""
        with self._db.write() as connection:
            model = connection.scalar(sa.select(table.firing.c.model).where(table.firing.c.run == event.subject))
            if model is not None:
                names = [row["name"] for row in table.rows(connection, model)]
                table.hasten(connection, names, self._clock())
        self._firing.look()

    def look(self) -> None:
        """Look at the clock: hand on what schedules have struck, and decide on what is due."""
        self._strike()
        self._firing.look()

    def _strike(self) -> None:
        """Of the times of a schedule that were missed the last one stands for all."""
        now = self._clock()
        with self._db.read() as connection:
            if not any(True for _ in _struck(table.rows(connection), now)):
                return
        with self._db.write() as connection:
            for row, when in list(_struck(table.rows(connection), now)):
                missed = len(strikes(when, row["struck_at"], now)) - 1
                table.change(connection, row["name"], struck_at=now)
                self._firing.arrive(connection, row, news.of_strikes(when, last_strike(when, now), missed, now))

    def receive(self, name: str, headers: Headers, body: bytes) -> OccasionRecord | None:
        """Take a push for a trigger; None for one that is known, and for what is no push.

        Raises WrongSignature, also where there is no such trigger, and UnreadablePush.
        """
        with self._db.read() as connection:
            row = table.row_of(connection, name)
        when = table.draft_of(row).when if row is not None else None
        if row is None or not isinstance(when, OnCode):
            raise WrongSignature(f"the push is not by the secret of a trigger '{name[:40]}'", field="trigger")
        secret = pushes.derive_secret(self._key(), name, row["salt"])
        pushes.check_signature(when.forge, headers, body, secret)
        if not pushes.is_push(when.forge, headers):
            return None
        push = pushes.read_push(when.forge, headers, body)
        keys = pushes.delivery_keys(when.forge, headers, body)
        with self._db.write() as connection:
            row = table.row_of(connection, name)
            if row is None:
                return None
            return self._firing.arrive(connection, row, news.of_push(push, keys[0], self._clock()), keys)


def _watches_alerts(draft: TriggerDraft, event: Event) -> bool:
    return isinstance(draft.when, OnAlert) and draft.model == event.data["model"]


def _watches_dataset(draft: TriggerDraft, event: Event) -> bool:
    return isinstance(draft.when, OnData) and draft.when.dataset == event.subject.partition("@")[0]


def _counts_labels(draft: TriggerDraft, event: Event) -> bool:
    return isinstance(draft.when, OnData) and draft.when.labels > 0 and draft.model == event.data.get("model")


def _struck(rows: Iterable[sa.RowMapping], now: float) -> Iterable[tuple[sa.RowMapping, OnTime]]:
    for row in rows:
        when = table.draft_of(row).when
        if isinstance(when, OnTime) and next_strike(when, row["struck_at"]) <= now:
            yield row, when
