"""Meets occasions: asks the rules, keeps what they said, and begins runs; each occasion is met once, by one hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa
import structlog

from edgewright.contract.api import OccasionRecord, OccasionState, TriggerDraft
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.automate.triggers import table
from edgewright.hub.automate.triggers.model import Asked, Decision, Occasion, Raised, Standing, to_record
from edgewright.hub.automate.triggers.rules.deciding import decide, meet
from edgewright.hub.db import Database, DatabaseAway, DatabaseBusy, savepoint
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit

log = structlog.get_logger()

Begin = Callable[[sa.Connection, str, TriggerDraft, Occasion, str], str]
"""Begins a run of the trigger's model in this transaction, in the name of a person, and returns the run's id."""
IsLive = Callable[[sa.Connection, Sequence[str]], bool]
"""Whether one of these alerts still asks for something."""


class Firing:
    """Meets occasions inside the caller's `write()`, in which nobody else of all hubs decides."""

    def __init__(
        self, db: Database, events: Events, audit: Audit, clock: Callable[[], float], begin: Begin, is_live: IsLive
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._begin = begin
        self._is_live = is_live

    def arrive(
        self, connection: sa.Connection, row: sa.RowMapping, occasion: Occasion, keys: Sequence[str] = ()
    ) -> OccasionRecord | None:
        """Decide on a new occasion; None where it, or another with one of its `keys`, was met before."""
        name, now = row["name"], self._clock()
        if not table.know(connection, name, {occasion.key, *keys}, now):
            return None
        waiting, state = table.waiting(connection, name), table.state_of(connection, row, now)
        decision, met = meet(table.draft_of(row), waiting, occasion, state, now)
        if waiting is not None and decision.state is not OccasionState.NOT_FIRED:
            joined = Decision(OccasionState.JOINED, f"{occasion.what} came before it was time, and stands for both")
            table.save(connection, name, waiting, joined, now)
        return self._settle(connection, row, met, decision, now)

    def look(self) -> int:
        """Decide again on what is due; returns how many occasions that were."""
        now = self._clock()
        with self._db.read() as connection:
            names = table.due(connection, now)
        for name in names:
            self._look_at(name, now)
        return len(names)

    def _look_at(self, name: str, now: float) -> None:
        """One that fails is logged, and looked at again: it holds up no other."""
        try:
            with self._db.write() as connection:
                self._again(connection, name, now)
        except (DatabaseAway, DatabaseBusy):
            raise
        except Exception:
            log.exception("trigger.look_failed", trigger=name)

    def would(self, connection: sa.Connection, row: sa.RowMapping, occasion: Occasion) -> Decision:
        """What would be decided on a new occasion."""
        now = self._clock()
        waiting, state = table.waiting(connection, row["name"]), table.state_of(connection, row, now)
        return meet(table.draft_of(row), waiting, occasion, state, now)[0]

    def _again(self, connection: sa.Connection, name: str, now: float) -> None:
        row, occasion = table.row_of(connection, name), table.waiting(connection, name)
        if row is None or occasion is None or name not in table.due(connection, now):
            return  # another hub was here first
        state = table.state_of(connection, row, now)
        decision = decide(table.draft_of(row), occasion, self._with_news(connection, occasion, state), now)
        self._settle(connection, row, occasion, decision, now)

    def _with_news(self, connection: sa.Connection, occasion: Occasion, state: Standing) -> Standing:
        facts = occasion.facts
        if not isinstance(facts, Raised) or self._is_live(connection, facts.alerts):
            return state
        return msgspec.structs.replace(state, over="its alert was resolved meanwhile")

    def _settle(
        self, connection: sa.Connection, row: sa.RowMapping, occasion: Occasion, decision: Decision, now: float
    ) -> OccasionRecord:
        run = ""
        if decision.state is OccasionState.FIRED:
            decision, run = self._fire(connection, row, occasion, decision, now)
        table.save(connection, row["name"], occasion, decision, now, run)
        if decision.state is not OccasionState.WAITING:
            facts = {"model": row["model"], "state": decision.state, "run": run, "why": decision.why}
            self._events.record(connection, "automate.trigger", row["name"], **facts)
        return to_record(row["name"], occasion, decision, now, run)

    def _fire(
        self, connection: sa.Connection, row: sa.RowMapping, occasion: Occasion, decision: Decision, now: float
    ) -> tuple[Decision, str]:
        """Begin the run. Where it cannot begin, that is the decision, and nothing of the budget is used."""
        why = f"trigger {row['name']}: {occasion.what}: {decision.why}"
        try:
            with savepoint(connection):
                run = self._begin(connection, row["created_by"], table.draft_of(row), occasion, why)
        except EdgewrightError as error:
            log.warning("trigger.cannot_begin", trigger=row["name"], why=error.message)
            return Decision(OccasionState.NOT_FIRED, f"no run could begin: {error.message}"), ""
        table.fired(connection, row["name"], row["model"], run, now)
        by = occasion.facts.by if isinstance(occasion.facts, Asked) else "hub"
        facts = {"model": row["model"], "key": occasion.key, "run": run, "why": f"{occasion.what}: {decision.why}"}
        self._audit.record(connection, by, "trigger.fire", row["name"], **facts)
        return decision, run
