"""What becomes of a device's part in rollouts when another board replaces it, or when it leaves the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
import structlog

from edgewright.contract.api import TimelineEntry
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.fleet import Fleet, Until, entry_of
from edgewright.hub.govern import SYSTEM
from edgewright.hub.rollout import table
from edgewright.hub.rollout.directives import Deploy
from edgewright.hub.rollout.model import OPEN, UNDER_WAY, UNENDED, DeploymentState, check_ready
from edgewright.hub.rollout.planner import Planner
from edgewright.hub.rollout.running import ledger

log = structlog.get_logger()

LEFT = ("fleet.retired", "fleet.revoked", "fleet.rejected")
_OF = table.deployment.c


class Succession:
    """Hands deployments and directives over to new boards, and takes back what those who left were to get."""

    def __init__(
        self,
        db: Database,
        events: Events,
        clock: Callable[[], float],
        fleet: Fleet,
        planner: Planner,
        deploy: Deploy,
    ) -> None:
        self._db = db
        self._events = events
        self._clock = clock
        self._fleet = fleet
        self._planner = planner
        self._deploy = deploy
        fleet.on_replaced(self._hand_over)
        fleet.tell_history(Deployments())
        events.subscribe("fleet.took_over", self._on_took_over)
        for kind in LEFT:
            events.subscribe(kind, self._on_left)

    def _hand_over(self, connection: sa.Connection, old: str, new: str) -> None:
        """The new board stands where the old one stood in every open deployment, and what people want stays."""
        now = self._clock()
        ledger.move(connection, _OF.device == old, UNDER_WAY, DeploymentState.PENDING, now)
        open_ = sa.update(table.deployment).where(_OF.device == old, _OF.state.in_(UNENDED))
        connection.execute(open_.values(device=new, updated_at=now))
        of = table.directive.c
        connection.execute(sa.delete(table.directive).where(of.device == new))
        connection.execute(sa.update(table.directive).where(of.device == old).values(device=new))

    def _on_took_over(self, event: Event) -> None:
        """The new board shall run what the old one ran, and gets no package of an open deployment that cannot fit it.

        Safe to repeat: what it was given already is open, or it runs.
        """
        old, new = str(event.data["old"]), event.subject
        self._take_back_misfits(new)
        for model in self._fleet.device(old).models:
            if model.counter and not self._is_given(new, model.model, model.counter):
                self._give(old, new, model.model, model.counter)

    def _on_left(self, event: Event) -> None:
        """Nothing waits for a device that is out of the fleet; safe to repeat."""
        with self._db.write() as connection:
            reason = f"the device left the fleet ({event.kind.removeprefix('fleet.')})"
            ledger.move(
                connection,
                _OF.device == event.subject,
                UNENDED,
                DeploymentState.WITHDRAWN,
                self._clock(),
                reason=reason,
            )

    def _take_back_misfits(self, device: str) -> None:
        record, query = self._fleet.device(device), sa.select(table.deployment)
        with self._db.read() as connection:
            rows = connection.execute(query.where(_OF.device == device, _OF.state.in_(UNENDED))).all()
        for row in rows:
            _, fits = self._planner.packages(row.model, row.counter)
            offer = fits.choose_for(record)
            if not isinstance(offer, str) and offer.package.manifest_sha256 == row.manifest_sha256:
                continue
            why = offer if isinstance(offer, str) else f"the new board gets the package for {offer.package.target}"
            with self._db.write() as connection:
                reason = f"made for the board before: {why}"
                ledger.move(
                    connection,
                    _OF.number == row.number,
                    UNENDED,
                    DeploymentState.WITHDRAWN,
                    self._clock(),
                    reason=reason,
                )

    def _is_given(self, device: str, model: str, counter: int) -> bool:
        mine = sa.and_(_OF.device == device, _OF.model == model, _OF.counter >= counter)
        given = sa.select(_OF.number).where(mine, _OF.state.in_((*OPEN, DeploymentState.COMMITTED))).limit(1)
        with self._db.read() as connection:
            return connection.scalar(given) is not None

    def _give(self, old: str, new: str, model: str, counter: int) -> None:
        try:
            release, fits = self._planner.packages(model, counter)
            check_ready(release)
        except EdgewrightError as error:
            log.warning("rollout.not_inherited", device=new, model=model, counter=counter, why=error.message)
            return
        offer = fits.choose_for(self._fleet.device(new))
        if isinstance(offer, str):
            log.warning("rollout.not_inherited", device=new, model=model, counter=counter, why=offer)
            return
        with self._db.write() as connection:
            self._deploy(connection, SYSTEM, release, new, offer, f"{new} replaces {old}")


class Deployments:
    """What rollouts remember of a device: what became of each deployment."""

    name = "deployment"

    def entries(
        self, connection: sa.Connection, device: str, until: Until | None, limit: int
    ) -> Iterable[TimelineEntry]:
        """Each deployment that was told to the device or has ended, when it last changed."""
        query = sa.select(_OF.number, _OF.updated_at, _OF.state, _OF.rollout, _OF.model, _OF.counter, _OF.reason)
        query = query.where(_OF.device == device, _OF.state != DeploymentState.PENDING)
        if until is not None:
            query = query.where(until.before(_OF.updated_at, _OF.number))
        for row in connection.execute(query.order_by(_OF.updated_at.desc(), _OF.number.desc()).limit(limit)):
            data: dict[str, Any] = {"release": f"{row.model}/{row.counter}", "reason": row.reason}
            kind = f"deployment.{row.state}"
            yield entry_of(self.name, row.number, row.updated_at, kind, data | {"by": row.rollout})
