"""What people do with a rollout that runs or has ended: pause, resume, promote, abort, take back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import RollbackDraft, RollbackRecord, RolloutState
from edgewright.contract.errors import InvalidInput, NotFound, Refused
from edgewright.contract.report import ModelState
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import LIVE, DeploymentState, RolloutMovedOn, WaveState, check_ready, next_state
from edgewright.hub.rollout.packages import Packages
from edgewright.hub.rollout.records import Row, rollout_row
from edgewright.hub.rollout.running import ledger
from edgewright.hub.rollout.running.waves import Waves

MAX_SHOWN = 200
_OF = table.deployment.c


class CannotGoBack(Refused):
    code = "cannot_go_back"


class NothingToPromote(Refused):
    code = "nothing_to_promote"
    hint = "`edgewright rollout show` says what the rollout waits for."


class Steering:
    """The verbs of people, each in one transaction with its line in the audit log."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        fleet: Fleet,
        packages: Packages,
        waves: Waves,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._fleet = fleet
        self._packages = packages
        self._waves = waves

    def pause(self, principal: Principal, id: str, reason: str) -> None:
        """Admit and offer nothing new until it is resumed. Raises RolloutMovedOn."""
        with self._db.write() as connection:
            self.move(connection, principal, id, RolloutState.PAUSED, reason)

    def resume(self, principal: Principal, id: str, reason: str) -> None:
        """Go on with the wave at which the rollout stands; raises RolloutMovedOn."""
        with self._db.write() as connection:
            self.move(connection, principal, id, RolloutState.RUNNING, reason)
            admitted = sa.select(_OF.device).where(_OF.rollout == id, _OF.state == DeploymentState.ADMITTED)
            devices = connection.execute(admitted).scalars().all()
            ledger.tell_devices(connection, self._events, id, devices)
            self._waves.restart(connection, id)

    def promote(self, principal: Principal, id: str, reason: str, dry_run: bool) -> None:
        """Pass the wave at which the rollout stands, whatever it waits for; raises RolloutMovedOn, NothingToPromote."""
        with self._db.write() as connection:
            head = rollout_row(connection, id)
            if head["state"] != RolloutState.RUNNING:
                raise RolloutMovedOn(f"a rollout that is {head['state']} cannot be promoted", field="rollout")
            if dry_run:
                return
            wave = self._waves.promote(connection, id, f"promoted by {principal.name}: {reason}".rstrip(": "))
            if wave == 0:
                raise NothingToPromote(f"no wave of rollout {id} has begun", field="rollout")
            self._tell(connection, principal, "rollout.promoted", id, wave=wave, reason=reason)

    def abort(self, principal: Principal, id: str, reason: str) -> None:
        """End a rollout and let its devices go back to what they ran before; raises RolloutMovedOn."""
        now = self._clock()
        with self._db.write() as connection:
            if rollout_row(connection, id)["state"] == RolloutState.DONE:
                hint = "`edgewright rollout rollback` takes back what a rollout that is done has brought."
                raise RolloutMovedOn("a rollout that is done cannot be aborted", field="rollout", hint=hint)
            self.move(connection, principal, id, RolloutState.ABORTED, reason)
            which = sa.and_(_OF.rollout == id, _OF.wave > 0)
            ledger.withdraw(connection, self._events, which, f"aborted: {reason}", now)
            self._end(connection, id, now)

    def roll_back(self, principal: Principal, id: str, draft: RollbackDraft, dry_run: bool) -> RollbackRecord:
        """Take a rollout or one of its waves back, to what each device had before or to an earlier release.

        A device goes back at once only to what its spare slot holds: its counter floor forbids anything else below
        what it runs. Raises NotFound, InvalidInput, ReleaseIsBad, ReleaseNotReady, RolloutMovedOn, and CannotGoBack
        where others cannot, unless `is_partly` and some can or it still runs; a dry run says who could.
        """
        now = self._clock()
        with self._db.write() as connection:
            head = rollout_row(connection, id)
            self._check(connection, head, draft)
            rows = connection.execute(_scope(id, draft.wave)).all()
            able, stuck = self._sort(head, draft, [row for row in rows if row.state == DeploymentState.COMMITTED])
            record = _record(head, draft, able, stuck)
            if dry_run:
                return record
            is_in_vain = not able and head["state"] == RolloutState.DONE
            if stuck and (is_in_vain or not draft.is_partly):
                first = next(iter(stuck.items()))
                message = f"{len(stuck)} of {len(rows)} devices cannot go back at once, such as {first[0]}: {first[1]}"
                raise CannotGoBack(message, field="to" if draft.to else "rollout", hint=record.hint)
            self._take_back(connection, principal, head, draft, rows, set(able), now)
        return record

    def move(self, connection: sa.Connection, principal: Principal, id: str, wanted: RolloutState, reason: str) -> None:
        """Give a rollout another state, and let the run of its wave notice."""
        head = rollout_row(connection, id)
        state = next_state(RolloutState(head["state"]), wanted)
        connection.execute(sa.update(table.rollout).where(table.rollout.c.id == id).values(state=state, reason=reason))
        self._tell(connection, principal, f"rollout.{_VERB[state]}", id, reason=reason)
        self._waves.wake(connection, id)

    def _check(self, connection: sa.Connection, head: Row, draft: RollbackDraft) -> None:
        next_state(RolloutState(head["state"]), RolloutState.ABORTED)
        if draft.wave:
            known = sa.and_(table.wave.c.rollout == head["id"], table.wave.c.number == draft.wave)
            if connection.scalar(sa.select(table.wave.c.number).where(known)) is None:
                raise NotFound(f"rollout {head['id']} has no wave {draft.wave}", field="wave")
        if draft.to >= head["counter"]:
            message = f"release {head['model']}/{draft.to} is not earlier than {head['release']}"
            raise InvalidInput(message, field="to", hint="Give the counter of an earlier release.")
        if draft.to:
            check_ready(self._packages.release(head["model"], draft.to))

    def _sort(self, head: Row, draft: RollbackDraft, committed: Sequence[Any]) -> tuple[list[str], dict[str, str]]:
        """Who of those that have committed can go back at once, and why the others cannot."""
        states = self._fleet.states([row.device for row in committed])
        wanted = None
        if draft.to:
            packages = self._packages.release(head["model"], draft.to).packages
            wanted = {package.manifest_sha256 for package in packages}
        able, stuck = list[str](), dict[str, str]()
        for row in committed:
            state = next((one for one in states[row.device] if one.model == head["model"]), None)
            why = _why_stuck(state, row, wanted, f"{head['model']}/{draft.to}")
            if why:
                stuck[row.device] = why
            else:
                able.append(row.device)
        return able, stuck

    def _take_back(
        self,
        connection: sa.Connection,
        principal: Principal,
        head: Row,
        draft: RollbackDraft,
        rows: Sequence[Any],
        able: set[str],
        now: float,
    ) -> None:
        id, reason = head["id"], f"rolled back: {draft.reason}".rstrip(": ")
        numbers = [row.number for row in rows if row.state != DeploymentState.COMMITTED or row.device in able]
        for part in ledger.chunks(numbers):
            ledger.withdraw(connection, self._events, _OF.number.in_(part), reason, now)
        if not draft.wave:
            self.move(connection, principal, id, RolloutState.ABORTED, draft.reason)
            self._end(connection, id, now)
        else:
            values = {"state": WaveState.FAILED, "reason": reason, "ended_at": now}
            wave = sa.and_(table.wave.c.rollout == id, table.wave.c.number == draft.wave)
            self._waves.wake(connection, id)
            connection.execute(sa.update(table.wave).where(wave).values(values))
            why = f"wave {draft.wave} was {reason}"
            is_running = head["state"] == RolloutState.RUNNING
            if is_running and not self._waves.end_if_over(connection, id, why):
                self.move(connection, principal, id, RolloutState.PAUSED, why)
        facts = {"wave": draft.wave, "to": draft.to, "count": len(numbers), "reason": draft.reason}
        self._tell(connection, principal, "rollout.rolled_back", id, **facts)

    def _end(self, connection: sa.Connection, id: str, now: float) -> None:
        connection.execute(sa.update(table.rollout).where(table.rollout.c.id == id).values(ended_at=now))

    def _tell(self, connection: sa.Connection, principal: Principal, action: str, id: str, **detail: Any) -> None:
        self._audit.record(connection, principal.name, action, id, **detail)
        self._events.record(connection, action, id, devices=[], **detail)


def _scope(id: str, wave: int) -> sa.Select[Any]:
    columns = (_OF.number, _OF.device, _OF.state, _OF.counter)
    query = sa.select(*columns).where(_OF.rollout == id, _OF.state.in_(LIVE)).order_by(_OF.number)
    return query.where(_OF.wave == wave) if wave else query.where(_OF.wave > 0)


def _why_stuck(state: ModelState | None, row: Any, wanted: set[str] | None, release: str) -> str:
    """Why a device cannot go back at once to one of the packages `wanted` (None: to whatever it had); '' if it can."""
    if state is None or state.counter == 0:
        return "it reports no release of this model"
    if state.counter != row.counter:
        return "" if state.counter < row.counter else f"it runs a newer release ({state.counter})"
    spare = set(state.held_manifests) - {state.manifest_sha256}
    if not spare:
        return "its spare slot is empty"
    if wanted is not None and spare.isdisjoint(wanted):
        return f"its spare slot holds another release than {release}, and its counter floor forbids lower ones"
    return ""


def _record(head: Row, draft: RollbackDraft, able: list[str], stuck: Mapping[str, str]) -> RollbackRecord:
    version = "the version that they shall run" if not draft.to else f"the version of {head['model']}/{draft.to}"
    hint = (
        f"Sign {version} again as a new release (`edgewright release build`) and roll that out;"
        " --partly takes back those that can."
    )
    return RollbackRecord(
        rollout=head["id"],
        devices=len(able),
        stuck=len(stuck),
        at_once=tuple(able[:MAX_SHOWN]),
        reasons=dict(list(stuck.items())[:MAX_SHOWN]),
        hint=hint if stuck else "",
    )


_VERB = {
    RolloutState.PAUSED: "paused",
    RolloutState.RUNNING: "resumed",
    RolloutState.ABORTED: "aborted",
}
