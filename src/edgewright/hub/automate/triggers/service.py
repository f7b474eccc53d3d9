"""Triggers as people set, pause, fire and look at them."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    FireDraft,
    OccasionRecord,
    OccasionState,
    OnCode,
    OnTime,
    TriggerDraft,
    TriggerRecord,
)
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.triggers import table
from edgewright.hub.automate.triggers.firing import Firing
from edgewright.hub.automate.triggers.forecast import forecast
from edgewright.hub.automate.triggers.model import TakesNoPushes, TriggerExists, UnknownTrigger, to_record
from edgewright.hub.automate.triggers.rules.checking import check_trigger
from edgewright.hub.automate.triggers.rules.schedule import next_strike
from edgewright.hub.automate.triggers.sources import news, pushes
from edgewright.hub.db import Database
from edgewright.hub.govern import Audit, Principal

MAX_HISTORY = 1000
MAX_KEY_CHARS = 100
SALT_BYTES = 16


class Triggers:
    """Sets, shows and fires triggers. All names are one hub's; a model may have several."""

    def __init__(
        self,
        db: Database,
        audit: Audit,
        clock: Callable[[], float],
        firing: Firing,
        check_run: Callable[[TriggerDraft], object],
        key: Callable[[], bytes],
    ) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._firing = firing
        self._check_run = check_run
        self._key = key

    def put(self, principal: Principal, draft: TriggerDraft, *, dry_run: bool = False) -> TriggerRecord:
        """Set a trigger; set again, it keeps its history, its budget and its secret.

        A new one that takes pushes comes with its `secret`, this once; a dry run with a `forecast`. Raises
        InvalidInput, TriggerExists for one of another model, and what `check_run` raises: a run must be able to begin.
        """
        now = self._clock()
        check_trigger(draft, now)
        self._check_run(draft)
        if dry_run:
            with self._db.read() as connection:
                old = self._old(connection, draft)
                record = self._record(connection, old, now) if old is not None else _fresh(draft, principal, now)
                record = msgspec.structs.replace(record, draft=draft, created_by=principal.name)
                return msgspec.structs.replace(record, forecast=forecast(connection, draft, now))
        with self._db.write() as connection:
            old = self._old(connection, draft)
            if old is None:
                self._insert(connection, principal, draft, now)
            else:
                self._replace(connection, principal, draft, old, now)
            self._audit.record(connection, principal.name, "trigger.set", draft.name, **msgspec.to_builtins(draft))
            record = self._record(connection, self._row(connection, draft.name), now)
        is_new_hook = isinstance(draft.when, OnCode) and (old is None or not _takes_pushes(old))
        return self._with_secret(record) if is_new_hook else record

    def triggers(self, model: str = "") -> list[TriggerRecord]:
        """All triggers by name, or those of a model."""
        with self._db.read() as connection:
            return [self._record(connection, row, self._clock()) for row in table.rows(connection, model)]

    def trigger(self, name: str) -> TriggerRecord:
        """One trigger; raises UnknownTrigger."""
        with self._db.read() as connection:
            return self._record(connection, self._row(connection, name), self._clock())

    def history(self, name: str, limit: int = 50, state: str = "") -> list[OccasionRecord]:
        """What became of its occasions, newest first; raises UnknownTrigger."""
        if not 1 <= limit <= MAX_HISTORY:
            raise InvalidInput(f"limit is {limit}", field="limit", hint=f"Choose 1 to {MAX_HISTORY}.")
        if state and state not in list(OccasionState):
            hint = f"Choose from {', '.join(OccasionState)}."
            raise InvalidInput(f"no occasion is ever '{state[:40]}'", field="state", hint=hint)
        with self._db.read() as connection:
            self._row(connection, name)
            return table.history(connection, name, limit, state)

    def fire(self, principal: Principal, name: str, draft: FireDraft, *, dry_run: bool = False) -> OccasionRecord:
        """Ask for a run, within the trigger's limits; the record says what came of it, and why."""
        if len(draft.key) > MAX_KEY_CHARS or not draft.key.isprintable():
            hint = f"A key has at most {MAX_KEY_CHARS} characters that print."
            raise InvalidInput("this cannot be a key", field="key", hint=hint)
        now = self._clock()
        occasion = news.of_request(principal.name, draft.why, draft.key or secrets.token_hex(8), now)
        if dry_run:
            with self._db.read() as connection:
                decision = self._firing.would(connection, self._row(connection, name), occasion)
            return to_record(name, occasion, decision, now)
        with self._db.write() as connection:
            record = self._firing.arrive(connection, self._row(connection, name), occasion)
            return record or table.known(connection, name, occasion.key)

    def pause(self, principal: Principal, name: str, *, paused: bool, why: str, dry_run: bool = False) -> TriggerRecord:
        """Let a trigger fire no more, or again. What waits when it is paused is left."""
        with self._db.write() as connection:
            row, now = self._row(connection, name), self._clock()
            if not dry_run and row["is_paused"] != paused:
                table.change(connection, name, is_paused=paused)
                table.hasten(connection, [name], now)
                action = "trigger.pause" if paused else "trigger.resume"
                self._audit.record(connection, principal.name, action, name, why=why)
            record = self._record(connection, self._row(connection, name), now)
        if not dry_run:
            self._firing.look()
        return msgspec.structs.replace(record, is_paused=paused)

    def remove(self, principal: Principal, name: str, *, dry_run: bool = False) -> TriggerRecord:
        """Forget a trigger with its history. Runs that it began go on."""
        with self._db.write() as connection:
            record = self._record(connection, self._row(connection, name), self._clock())
            if not dry_run:
                table.forget(connection, name)
                self._audit.record(connection, principal.name, "trigger.remove", name, model=record.model)
        return record

    def new_secret(self, principal: Principal, name: str, *, dry_run: bool = False) -> TriggerRecord:
        """Make another secret for its webhook, and tell it this once; the former is good no more."""
        with self._db.write() as connection:
            row = self._row(connection, name)
            if not _takes_pushes(row):
                raise TakesNoPushes(f"trigger {name} takes no pushes", field="name")
            if not dry_run:
                table.change(connection, name, salt=secrets.token_hex(SALT_BYTES))
                self._audit.record(connection, principal.name, "trigger.secret", name)
            record = self._record(connection, self._row(connection, name), self._clock())
        return record if dry_run else self._with_secret(record)

    def _old(self, connection: sa.Connection, draft: TriggerDraft) -> sa.RowMapping | None:
        row = table.row_of(connection, draft.name)
        if row is not None and row["model"] != draft.model:
            raise TriggerExists(f"trigger {draft.name} is one of {row['model']}", field="name")
        return row

    def _insert(self, connection: sa.Connection, principal: Principal, draft: TriggerDraft, now: float) -> None:
        table.add(connection, draft, principal.name, secrets.token_hex(SALT_BYTES), now)

    def _replace(
        self, connection: sa.Connection, principal: Principal, draft: TriggerDraft, old: sa.RowMapping, now: float
    ) -> None:
        before = table.draft_of(old)
        struck_at = old["struck_at"] if before.when == draft.when else now
        values = {"draft": msgspec.to_builtins(draft), "created_by": principal.name, "struck_at": struck_at}
        table.change(connection, draft.name, **values)
        table.hasten(connection, [draft.name], now)

    def _row(self, connection: sa.Connection, name: str) -> sa.RowMapping:
        row = table.row_of(connection, name)
        if row is None:
            raise UnknownTrigger(f"there is no trigger '{name[:80]}'", field="trigger")
        return row

    def _record(self, connection: sa.Connection, row: sa.RowMapping, now: float) -> TriggerRecord:
        draft, state = table.draft_of(row), table.state_of(connection, row, now)
        newest = table.history(connection, draft.name, 1)
        waiting = table.history(connection, draft.name, 1, "waiting")
        is_timed = isinstance(draft.when, OnTime) and not row["is_paused"]
        return TriggerRecord(
            name=draft.name,
            model=draft.model,
            draft=draft,
            created_by=row["created_by"],
            created_at=row["created_at"],
            is_paused=row["is_paused"],
            runs=sum(at > now - draft.period_s for at in state.fired),
            active=state.active,
            last_fired_at=table.last_fired(connection, draft.name),
            next_at=next_strike(draft.when, now) if is_timed and isinstance(draft.when, OnTime) else None,
            labels=row["labels"],
            waiting=waiting[0] if waiting else None,
            last=newest[0] if newest else None,
        )

    def _with_secret(self, record: TriggerRecord) -> TriggerRecord:
        with self._db.read() as connection:
            salt = self._row(connection, record.name)["salt"]
        return msgspec.structs.replace(record, secret=pushes.derive_secret(self._key(), record.name, salt))


def _takes_pushes(row: sa.RowMapping) -> bool:
    return isinstance(table.draft_of(row).when, OnCode)


def _fresh(draft: TriggerDraft, principal: Principal, now: float) -> TriggerRecord:
    return TriggerRecord(name=draft.name, model=draft.model, draft=draft, created_by=principal.name, created_at=now)
