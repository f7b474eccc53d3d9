"""What a trigger would have done: its rules, played on what happened, or on what a test says has happened."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from edgewright.contract.api import ForecastRecord, OccasionRecord, OccasionState, OnAlert, OnData, OnTime, TriggerDraft
from edgewright.hub.automate.triggers import table
from edgewright.hub.automate.triggers.model import Decision, Occasion, Standing, to_record
from edgewright.hub.automate.triggers.rules.deciding import decide, meet
from edgewright.hub.automate.triggers.rules.schedule import strikes
from edgewright.hub.automate.triggers.sources import news
from edgewright.hub.events import Event, event_table

LOOK_BACK_S = 30 * 86400.0
RUN_S = 3600.0
MAX_EVENTS = 200_000
"""How many of the newest events are looked at: a table of years is not read for a rehearsal."""
EXAMPLES = 10


class Play:
    """A trigger in a world where every run takes `run_s` seconds. Give it occasions in the order of their times."""

    def __init__(self, trigger: TriggerDraft, run_s: float) -> None:
        self._trigger = trigger
        self._run_s = run_s
        self._fired: list[float] = []
        self._ends: list[float] = []
        self._waiting: tuple[Occasion, float] | None = None
        self.records: dict[str, OccasionRecord] = {}

    def arrive(self, occasion: Occasion) -> None:
        """Something happened at `occasion.at`."""
        self.go_on(occasion.at)
        waiting = self._waiting[0] if self._waiting else None
        decision, met = meet(self._trigger, waiting, occasion, self._state(occasion.at), occasion.at)
        if waiting and decision.state is not OccasionState.NOT_FIRED:
            self._note(waiting, Decision(OccasionState.JOINED, f"{occasion.what} stands for it"), occasion.at)
            self._waiting = None
        self._settle(met, decision, occasion.at)

    def go_on(self, until: float) -> None:
        """Let time pass up to a moment."""
        while self._waiting and self._waiting[1] <= until:
            occasion, now = self._waiting
            self._waiting = None
            self._settle(occasion, decide(self._trigger, occasion, self._state(now), now), now)

    def _settle(self, occasion: Occasion, decision: Decision, now: float) -> None:
        self._note(occasion, decision, now)
        if decision.state is OccasionState.FIRED:
            self._fired.append(now)
            heapq.heappush(self._ends, now + self._run_s)
        elif decision.until is not None:
            self._waiting = (occasion, decision.until)

    def _state(self, now: float) -> Standing:
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        since = now - max(self._trigger.period_s, self._trigger.cooldown_s)
        self._fired = [at for at in self._fired if at > since]
        return Standing(fired=tuple(self._fired), active=tuple(f"run at {at:.0f}" for at in self._ends))

    def _note(self, occasion: Occasion, decision: Decision, now: float) -> None:
        self.records[occasion.key] = to_record(self._trigger.name, occasion, decision, now)


def forecast(connection: sa.Connection, trigger: TriggerDraft, now: float) -> ForecastRecord | None:
    """What it would have done in the last 30 days; None where what it watches for is not on record."""
    if not isinstance(trigger.when, OnAlert | OnData | OnTime):
        return None
    since, play = now - LOOK_BACK_S, Play(trigger, RUN_S)
    for occasion in _occasions(connection, trigger, since, now):
        play.arrive(occasion)
    play.go_on(now)
    records = sorted(play.records.values(), key=lambda record: record.at, reverse=True)
    return ForecastRecord(
        since=since,
        run_s=RUN_S,
        occasions=len(records),
        fired=sum(record.state is OccasionState.FIRED for record in records),
        examples=tuple(records[:EXAMPLES]),
    )


def _occasions(connection: sa.Connection, trigger: TriggerDraft, since: float, now: float) -> Iterable[Occasion]:
    match trigger.when:
        case OnTime() as when:
            return (news.of_strikes(when, at, 0, at) for at in strikes(when, since, now))
        case OnAlert():
            events = _events(connection, news.ALERT, since)
            return (news.of_alert(event, event.at) for event in events if event.data["model"] == trigger.model)
        case OnData(dataset="") as when:
            return _full_counts(_events(connection, news.LABELLED, since), trigger.model, when.labels)
        case OnData():
            events = _events(connection, news.SNAPSHOT, since)
            made = (event for event in events if event.subject.partition("@")[0] == trigger.when.dataset)
            return (news.of_snapshot(event, "", event.at) for event in made)
    return ()


def _full_counts(events: Iterable[Event], model: str, every: int) -> Iterator[Occasion]:
    count = 0
    for event in events:
        if event.data.get("model") == model:
            before, count = count, count + int(event.data["count"])
            if news.crosses(before, count, every):
                yield news.of_labels(event.number, count, event.at)


def _events(connection: sa.Connection, kind: str, since: float) -> list[Event]:
    of = event_table.c
    newest = connection.scalar(sa.select(sa.func.max(of.number))) or 0
    query = sa.select(event_table).where(of.number > newest - MAX_EVENTS, of.kind == kind, of.at >= since)
    found = [Event(**row) for row in connection.execute(query.order_by(of.number)).mappings()]
    return [event for event in found if not table.run_behind(connection, event.data)]
