"""The verbs of rollouts: start, steer, take back; what devices shall do, and what they did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import (
    DeploymentPage,
    ReleaseRecord,
    RollbackDraft,
    RollbackRecord,
    RolloutDraft,
    RolloutRecord,
    RolloutState,
    RunState,
    WaveDraft,
)
from edgewright.contract.report import InstallReport, ModelState, Pace
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.fleet import Desired, Fleet
from edgewright.hub.govern import SYSTEM, Audit, Permission, Principal, require
from edgewright.hub.jobs import Jobs
from edgewright.hub.rollout import records, table
from edgewright.hub.rollout.concerned import concerned
from edgewright.hub.rollout.gates import Behaviour, EvidenceReader, Labels, Unwatched, note_fault, shadow_policy
from edgewright.hub.rollout.held import held
from edgewright.hub.rollout.model import UNENDED, UNFINISHED, DeploymentState, next_state, parse_release
from edgewright.hub.rollout.packages import Packages, Ways
from edgewright.hub.rollout.planner import Figures, Planner
from edgewright.hub.rollout.planning import Offer, doubts
from edgewright.hub.rollout.running import Desk, Offers, Orders, Reports, Steering, Waves, ledger, starting

DELTAS = "-deltas"
DIRECTED = ("rollout.pinned", "rollout.held", "rollout.forced", "rollout.freed")
ExpectedAgreement = Callable[[str, int], float | None]
"""How far a version agrees with its champion on labelled data on which it is better; None where that is not known."""


class Rollouts:
    """A rollout takes in the devices that its group selects when it starts; those that enrol later are not part of it.

    Devices that are away in their wave keep their deployment and catch up later, also after the rollout is done.
    """

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        jobs: Jobs,
        fleet: Fleet,
        packaging: Packages,
        ways: Ways,
        expected_agreement: ExpectedAgreement,
        figures: Figures = Figures(),
        behaviour: Behaviour | None = None,
        labels: Labels = lambda *which: (),
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._ways = ways
        self._expected_agreement = expected_agreement
        self.planner = Planner(db, clock, fleet, packaging, ways, figures)
        evidence = EvidenceReader(packaging, behaviour or Unwatched(), labels)
        self._desk = Desk(events, fleet, ways, held, clock())
        self.waves = Waves(db, events, audit, clock, jobs, fleet, packaging, self._desk, evidence)
        self._offers = Offers(db, clock, self._desk, fleet, packaging, ways)
        self._reports = Reports(events, clock, self.waves.wake)
        self._steering = Steering(db, events, audit, clock, fleet, packaging, self.waves)
        events.subscribe("fleet.fault", self._on_fault)
        events.subscribe("run.ended", self._on_run_ended)
        events.subscribe("packaging.release_bad", self._on_release_bad)
        for kind in DIRECTED:
            events.subscribe(kind, self._on_directive)

    def start(self, principal: Principal, draft: RolloutDraft, dry_run: bool = False) -> RolloutRecord:
        """Plan a rollout and begin with its first wave; a dry run shows the same plan and changes nothing.

        An emergency is one wave, and passes over soaks, windows and budgets. Raises InvalidInput, EmptyGroup,
        NotFound, ReleaseNotReady, ReleaseIsBad, NoDeviceFits, RolloutOverlaps; Forbidden.
        """
        if draft.emergency:
            require(principal, Permission.OVERRIDE)
        now = self._clock()
        planned = self.planner.plan(draft)
        release, plan = planned.release, planned.plan
        needs = planned.needs()
        shadow = shadow_policy(draft.gate, self._expected_agreement(release.model, release.version))
        with self._db.write() as connection:
            self.planner.check_overlap(connection, planned)
            id = _next_id(connection, release)
            head = starting.head_row(id, draft, release, shadow, plan.has_bases, principal.name, now)
            waves, deployments = starting.wave_rows(head, plan), starting.deployment_rows(head, plan)
            if not dry_run:
                self._keep(connection, principal, head, waves, deployments, needs)
        shown = records.first_shown(deployments)
        record = records.record(head, waves, shown, records.counts_of(deployments))
        return msgspec.structs.replace(record, warnings=doubts(draft, plan, now))

    def deploy_one(
        self,
        connection: sa.Connection,
        principal: Principal,
        release: ReleaseRecord,
        device: str,
        offer: Offer,
        why: str,
        is_reoffer: bool = False,
    ) -> str:
        """Begin a rollout to one device alone, in this transaction: at once, whatever else it was to get. Its id.

        A device that has given the release up before is told that it is offered again, also without `is_reoffer`.
        """
        now = self._clock()
        draft = RolloutDraft(release=release.id, group="", waves=(1,), emergency=why)
        shadow = None if is_reoffer else shadow_policy(draft.gate, None)
        head = starting.head_row(
            _next_id(connection, release), draft, release, shadow, has_bases=False, by=principal.name, now=now
        )
        of = table.deployment.c
        older = sa.and_(of.device == device, of.model == release.model, of.counter <= release.counter)
        ledger.move(connection, older, UNENDED, DeploymentState.WITHDRAWN, now, reason=f"superseded: {why}")
        waves = [starting.wave_row(head["id"], 1, 1, WaveDraft())]
        deployments = [starting.deployment_row(head, device, 1, DeploymentState.PENDING, offer)]
        self._keep(connection, principal, head, waves, deployments, {})
        return str(head["id"])

    def pause(self, principal: Principal, id: str, reason: str, dry_run: bool = False) -> RolloutRecord:
        """Offer nothing new until it is resumed; devices that were offered something go on. Raises RolloutMovedOn."""
        if dry_run:
            return self._rehearse(id, RolloutState.PAUSED)
        self._steering.pause(principal, id, reason)
        return self.rollout(id)

    def resume(self, principal: Principal, id: str, reason: str, dry_run: bool = False) -> RolloutRecord:
        """Go on with the wave at which the rollout was paused; raises RolloutMovedOn."""
        if dry_run:
            return self._rehearse(id, RolloutState.RUNNING)
        self._steering.resume(principal, id, reason)
        return self.rollout(id)

    def promote(self, principal: Principal, id: str, reason: str, dry_run: bool = False) -> RolloutRecord:
        """Pass the wave at which it stands, whatever it waits for. Raises RolloutMovedOn, NothingToPromote."""
        self._steering.promote(principal, id, reason, dry_run)
        return self.rollout(id)

    def abort(self, principal: Principal, id: str, reason: str, dry_run: bool = False) -> RolloutRecord:
        """End a rollout and let its devices go back to what they ran before; raises RolloutMovedOn."""
        if dry_run:
            return self._rehearse(id, RolloutState.ABORTED)
        self._steering.abort(principal, id, reason)
        return self.rollout(id)

    def roll_back(self, principal: Principal, id: str, draft: RollbackDraft, dry_run: bool = False) -> RollbackRecord:
        """Take a rollout or one of its waves back, also after it is done; see Steering.roll_back."""
        return self._steering.roll_back(principal, id, draft, dry_run)

    def rollouts(self) -> list[RolloutRecord]:
        """Every rollout, newest first, without deployments."""
        with self._db.read() as connection:
            return records.read_all(connection)

    def newest(self, newest: int, most: int) -> list[RolloutRecord]:
        """The `newest` rollouts and those that are live, `most` at most, newest first and without deployments."""
        with self._db.read() as connection:
            return records.read_newest(connection, newest, most)

    def counts(self) -> dict[str, int]:
        """How many rollouts are in which state; states that none is in are left out."""
        with self._db.read() as connection:
            return records.count_states(connection)

    def rollout(self, id: str) -> RolloutRecord:
        """The rollout of that id, with 200 of its deployments at most; raises NotFound."""
        with self._db.read() as connection:
            return records.read_one(connection, id)

    def deployments(
        self, id: str, *, state: str = "", wave: int | None = None, after: str = "", limit: int = 200
    ) -> DeploymentPage:
        """Some of a rollout's deployments, in their order; raises NotFound, InvalidInput."""
        with self._db.read() as connection:
            return records.read_page(connection, id, state, wave, after, limit)

    def orders_for(self, device: str, states: tuple[ModelState, ...], pace: Pace) -> Orders:
        """What `device` shall install and give up, given what it reports, and for how long that holds."""
        return self._offers.orders_for(device, states, pace)

    def concerned(self, devices: Sequence[str]) -> set[str]:
        """Those of a few `devices` for which `orders_for` may have anything: the others need not be asked for."""
        with self._db.read() as connection:
            return concerned(connection, devices)

    def on_report(self, connection: sa.Connection, device: str, report: InstallReport) -> bool:
        """Take in how an install ended, in the caller's transaction; False for what is known already or not ours."""
        return self._reports.on_report(connection, device, report)

    def desired(self, devices: Collection[str] | None = None) -> dict[str, dict[str, Desired]]:
        """What is wanted by device and model, and which counters went wrong there; for `devices`, None: for all."""
        return self._offers.desired(devices)

    def _keep(
        self,
        connection: sa.Connection,
        principal: Principal,
        head: starting.Row,
        waves: list[starting.Row],
        deployments: list[starting.Row],
        needs: Mapping[tuple[str, str], int],
    ) -> None:
        self._desk.open(connection, head, head["created_at"])
        connection.execute(sa.insert(table.rollout).values(head))
        connection.execute(sa.insert(table.wave), waves)
        ledger.enter(connection, deployments)
        if head["deltas_due_at"]:
            why = f"deltas for the devices of rollout {head['id']}"
            self._ways.start(connection, head["release"], needs, id=head["id"] + DELTAS, why=why)
        facts = {"release": head["release"], "group": head["group"]}
        facts |= {"emergency": head["emergency"]} if head["emergency"] else {}
        self._tell(connection, principal, "rollout.started", head["id"], **facts)
        self.waves.start(connection, head["id"], 1)

    def _rehearse(self, id: str, wanted: RolloutState) -> RolloutRecord:
        """The rollout as it is, if it may become `wanted`; raises RolloutMovedOn."""
        record = self.rollout(id)
        next_state(record.state, wanted)
        return record

    def _on_run_ended(self, event: Event) -> None:
        """Deltas are made, or will not be: wave 1 need not wait any longer. A wave whose run failed or was cancelled
        would stand still unseen: pause its rollout, saying so.
        """
        state = event.data.get("state")
        if event.subject.endswith(DELTAS):
            self.waves.end_deltas(event.subject.removesuffix(DELTAS))
        if state not in (RunState.FAILED, RunState.CANCELLED):
            return
        query = (
            sa.select(table.rollout.c.id)
            .join(table.wave, table.wave.c.rollout == table.rollout.c.id)
            .where(table.wave.c.run == event.subject, table.wave.c.state.in_(UNFINISHED))
            .where(table.rollout.c.state == RolloutState.RUNNING)
        )
        with self._db.write() as connection:
            rollout = connection.scalar(query)
            if rollout is not None:
                why = f"run {event.subject} {state}"
                self._steering.move(connection, SYSTEM, rollout, RolloutState.PAUSED, why)

    def _on_directive(self, event: Event) -> None:
        """Who was to get something of that model stands aside, or is back: the waves concerned need not wait to see."""
        of = table.deployment.c
        mine = sa.and_(of.device == event.data["device"], of.model == event.data["model"])
        running = sa.select(table.rollout.c.id).where(table.rollout.c.state == RolloutState.RUNNING)
        query = sa.select(of.rollout).where(mine, of.wave > 0, of.rollout.in_(running)).distinct()
        with self._db.write() as connection:
            for rollout in connection.scalars(query).all():
                self.waves.wake(connection, rollout)

    def _on_fault(self, event: Event) -> None:
        with self._db.write() as connection:
            note_fault(connection, event.subject, event.data["code"], event.data["message"], event.at)

    def _on_release_bad(self, event: Event) -> None:
        """Whoever found a release bad: no device keeps it."""
        model, counter = parse_release(event.subject)
        of = table.deployment.c
        with self._db.write() as connection:
            which = sa.and_(of.model == model, of.counter == counter)
            reason = str(event.data.get("reason", ""))
            ledger.withdraw(connection, self._events, which, reason, self._clock())

    def _tell(self, connection: sa.Connection, principal: Principal, action: str, id: str, **detail: Any) -> None:
        self._audit.record(connection, principal.name, action, id, **detail)
        self._events.record(connection, action, id, **detail)


def _next_id(connection: sa.Connection, release: ReleaseRecord) -> str:
    query = sa.select(sa.func.count()).where(table.rollout.c.release == release.id)
    return f"{release.model}-{release.counter}-r{(connection.scalar(query) or 0) + 1}"
