"""Directives: what a person wants of one model on one device, beside every rollout: pinned, held back, forced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import sqlalchemy as sa

from edgewright.contract.api import (
    DeviceRecord,
    DeviceState,
    Directive,
    DirectiveDraft,
    DirectiveKind,
    ReleaseRecord,
)
from edgewright.contract.errors import Conflict, InvalidInput, NotFound
from edgewright.hub.db import Database, to_record
from edgewright.hub.events import Event, Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.govern import SYSTEM, Audit, Principal
from edgewright.hub.rollout import table
from edgewright.hub.rollout.held import hold_back, let_back, told
from edgewright.hub.rollout.model import check_ready, parse_release
from edgewright.hub.rollout.planner import Planner
from edgewright.hub.rollout.planning import NoDeviceFits, Offer

_OF = table.directive.c


class BelowFloor(Conflict):
    code = "below_floor"
    hint = "A device never goes below the release that it has committed: build the older version as a new release."


class Deploy(Protocol):
    """Begins a rollout to one device alone, in the caller's transaction."""

    def __call__(
        self,
        connection: sa.Connection,
        principal: Principal,
        release: ReleaseRecord,
        device: str,
        offer: Offer,
        why: str,
        is_reoffer: bool = False,
    ) -> str:
        """The id of that rollout."""


class Directives:
    """There is one directive at most for a model on a device: a later one takes the place of an earlier one."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        fleet: Fleet,
        planner: Planner,
        deploy: Deploy,
        model: Callable[[str], object],
    ) -> None:
        """`model` finds a model of that name, or raises NotFound."""
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._fleet = fleet
        self._planner = planner
        self._deploy = deploy
        self._model = model
        events.subscribe("packaging.release_bad", self._on_release_bad)

    def give(self, principal: Principal, device: str, draft: DirectiveDraft, dry_run: bool = False) -> Directive:
        """Pin, hold back or force; a device that lacks the release that it shall run gets it at once.

        Rollouts that run let a device go that is pinned to another release or held back, and it gives up what it has
        begun.
        Raises NotFound, InvalidInput, ReleaseNotReady, ReleaseIsBad, NoDeviceFits, BelowFloor.
        """
        _check(draft)
        self._model(draft.model)
        record = self._fleet.device(device)
        if record.state in (DeviceState.RETIRED, DeviceState.REVOKED):
            raise InvalidInput(f"{record.id} is {record.state}: it gets nothing more", field="device")
        release, offer = self._wanted(record, draft) if draft.counter else (None, None)
        given = Directive(
            device=record.id,
            model=draft.model,
            kind=draft.kind,
            counter=draft.counter,
            reason=draft.reason,
            by=principal.name,
            at=self._clock(),
        )
        if not dry_run:
            with self._db.write() as connection:
                _keep(connection, given)
                let_back(connection, given.device, given.model, given.at)  # from what the directive before kept it
                hold_back(connection, given, given.at)
                if release and offer:
                    why, is_reoffer = told(given), draft.kind is DirectiveKind.FORCE
                    self._deploy(connection, principal, release, record.id, offer, why, is_reoffer=is_reoffer)
                self._tell(connection, principal, f"rollout.{_DONE[draft.kind]}", given)
        return given

    def free(self, principal: Principal, device: str, model: str, dry_run: bool = False) -> Directive:
        """Take a directive back: rollouts reach the device again, also those whose wave has not ended without it.

        Raises NotFound.
        """
        with self._db.write() as connection:
            query = sa.select(table.directive).where(_OF.device == device, _OF.model == model)
            row = connection.execute(query).mappings().first()
            if row is None:
                what = f"nobody wants anything of '{model}' on {device}"
                raise NotFound(what, field="device", hint="`edgewright device directives` lists what people want.")
            given = to_record(row, Directive)
            if not dry_run:
                self._lift(connection, principal, given)
        return given

    def all(self, device: str = "", model: str = "") -> list[Directive]:
        """Every directive, of that device and model where they are given, the newest first."""
        query = sa.select(table.directive).order_by(_OF.at.desc(), _OF.device, _OF.model)
        query = query.where(_OF.device == device) if device else query
        query = query.where(_OF.model == model) if model else query
        with self._db.read() as connection:
            return [to_record(row, Directive) for row in connection.execute(query).mappings()]

    def _wanted(self, device: DeviceRecord, draft: DirectiveDraft) -> tuple[ReleaseRecord, Offer] | tuple[None, None]:
        """What the device shall get for it; none where it runs that release already."""
        release, fits = self._planner.packages(draft.model, draft.counter)
        check_ready(release)
        running = next((state.counter for state in device.models if state.model == draft.model), 0)
        if running > release.counter:
            what = f"{device.id} runs {draft.model}/{running}, which is newer than {release.id}"
            raise BelowFloor(what, field="counter")
        if running == release.counter:
            return None, None
        offer = fits.choose_for(device)
        if isinstance(offer, str):
            raise NoDeviceFits(f"{device.id} cannot run release {release.id}: {offer}", field="counter")
        return release, offer

    def _on_release_bad(self, event: Event) -> None:
        """Nobody wants a bad release any more; safe to repeat."""
        model, counter = parse_release(event.subject)
        with self._db.write() as connection:
            query = sa.select(table.directive).where(_OF.model == model, _OF.counter == counter)
            for row in connection.execute(query).mappings().all():
                given = to_record(row, Directive)
                self._lift(connection, SYSTEM, given, why="the release is bad")

    def _lift(self, connection: sa.Connection, principal: Principal, given: Directive, **detail: Any) -> None:
        which = (_OF.device == given.device, _OF.model == given.model)
        connection.execute(sa.delete(table.directive).where(*which))
        let_back(connection, given.device, given.model, self._clock())
        self._tell(connection, principal, "rollout.freed", given, **detail)

    def _tell(
        self, connection: sa.Connection, principal: Principal, action: str, given: Directive, **detail: Any
    ) -> None:
        facts = {"device": given.device, "model": given.model, "counter": given.counter, "reason": given.reason}
        self._audit.record(connection, principal.name, action, given.device, **facts, **detail)
        self._events.record(connection, action, given.device, **facts, **detail)


def _keep(connection: sa.Connection, given: Directive) -> None:
    connection.execute(sa.delete(table.directive).where(_OF.device == given.device, _OF.model == given.model))
    row = {name: getattr(given, name) for name in Directive.__struct_fields__}
    connection.execute(sa.insert(table.directive).values(row))


def _check(draft: DirectiveDraft) -> None:
    if (draft.kind is DirectiveKind.HOLD) == bool(draft.counter) or draft.counter < 0:
        hint = "Name a release, as in digits/4, to pin or to force; a device is held back from every release."
        raise InvalidInput(f"to {draft.kind} with the release {draft.counter}", field="counter", hint=hint)


_DONE = {DirectiveKind.PIN: "pinned", DirectiveKind.HOLD: "held", DirectiveKind.FORCE: "forced"}
