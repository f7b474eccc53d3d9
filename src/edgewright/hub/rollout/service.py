"""The verbs of rollouts: start, pause, resume, abort; what devices shall do, and what they did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import ReleaseRecord, RolloutDraft, RolloutRecord, RolloutState, RunState
from edgewright.contract.order import Install, Rollback
from edgewright.contract.report import InstallReport, ModelState, Pace
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.fleet import Desired, Fleet
from edgewright.hub.govern import SYSTEM, Audit, Principal
from edgewright.hub.jobs import Jobs
from edgewright.hub.rollout import records, table
from edgewright.hub.rollout.concerned import concerned
from edgewright.hub.rollout.gates import Behaviour, EvidenceReader, Labels, Unwatched, note_fault, shadow_policy
from edgewright.hub.rollout.model import (
    DELTA_PATIENCE_S,
    UNFINISHED,
    DeploymentState,
    WaveState,
    next_state,
    parse_release,
)
from edgewright.hub.rollout.offers import Offers
from edgewright.hub.rollout.packages import Packages, Ways
from edgewright.hub.rollout.planner import Figures, Planner
from edgewright.hub.rollout.planning import Offer, Plan
from edgewright.hub.rollout.waves import Waves

DELTAS = "-deltas"
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
        labels: Labels = lambda *which: (0, 0),
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._fleet = fleet
        self._packages = packaging
        self._ways = ways
        self._expected_agreement = expected_agreement
        self.planner = Planner(db, clock, fleet, packaging, ways, figures)
        evidence = EvidenceReader(packaging, behaviour or Unwatched(), labels)
        self.waves = Waves(db, events, audit, clock, jobs, fleet, packaging, evidence)
        self._offers = Offers(db, events, clock, self.waves.wake, packaging, ways)
        events.subscribe("fleet.fault", self._on_fault)
        events.subscribe("run.ended", self._on_run_ended)
        events.subscribe("packaging.release_bad", self._on_release_bad)

    def start(self, principal: Principal, draft: RolloutDraft, dry_run: bool = False) -> RolloutRecord:
        """Plan a rollout and begin with its first wave; a dry run shows the same plan and changes nothing.

        Raises InvalidInput, EmptyGroup, NotFound, ReleaseNotReady, ReleaseIsBad, NoDeviceFits, RolloutOverlaps.
        """
        now = self._clock()
        planned = self.planner.plan(draft)
        release, plan = planned.release, planned.plan
        needs = planned.needs()
        shadow = shadow_policy(draft.gate, self._expected_agreement(release.model, release.version))
        with self._db.write() as connection:
            self.planner.check_overlap(connection, planned)
            head = {
                "id": _next_id(connection, release),
                "release": release.id,
                "model": release.model,
                "version": release.version,
                "counter": release.counter,
                "group": draft.group,
                "state": RolloutState.RUNNING,
                "reason": "",
                "gate": msgspec.to_builtins(draft.gate),
                "shadow": msgspec.to_builtins(shadow),
                "deltas_due_at": now + DELTA_PATIENCE_S if plan.has_bases else 0.0,
                "created_at": now,
                "created_by": principal.name,
                "ended_at": None,
            }
            waves, deployments = _wave_rows(head, plan), _deployment_rows(head, plan)
            if not dry_run:
                self._keep(connection, head, waves, deployments, needs)
                self._tell(connection, principal, "rollout.started", head["id"], release=release.id, group=draft.group)
        return records.record(head, waves, deployments)

    def pause(self, principal: Principal, id: str, reason: str, dry_run: bool = False) -> RolloutRecord:
        """Offer nothing new until it is resumed; devices that were offered something go on. Raises RolloutMovedOn."""
        if dry_run:
            return self._rehearse(id, RolloutState.PAUSED)
        with self._db.write() as connection:
            self._move(connection, principal, id, RolloutState.PAUSED, reason)
        return self.rollout(id)

    def resume(self, principal: Principal, id: str, reason: str, dry_run: bool = False) -> RolloutRecord:
        """Go on with the wave at which the rollout was paused; raises RolloutMovedOn."""
        if dry_run:
            return self._rehearse(id, RolloutState.RUNNING)
        with self._db.write() as connection:
            self._move(connection, principal, id, RolloutState.RUNNING, reason)
            self.waves.restart(connection, id)
        return self.rollout(id)

    def abort(self, principal: Principal, id: str, reason: str, dry_run: bool = False) -> RolloutRecord:
        """End a rollout and let its devices go back to what they ran before; raises RolloutMovedOn."""
        if dry_run:
            return self._rehearse(id, RolloutState.ABORTED)
        now = self._clock()
        with self._db.write() as connection:
            self._move(connection, principal, id, RolloutState.ABORTED, reason)
            of = table.deployment.c
            records.withdraw(connection, sa.and_(of.rollout == id, of.wave > 0), f"aborted: {reason}", now)
            ended = sa.update(table.rollout).where(table.rollout.c.id == id).values(ended_at=now)
            connection.execute(ended)
        return self.rollout(id)

    def rollouts(self) -> list[RolloutRecord]:
        """Every rollout, newest first."""
        with self._db.read() as connection:
            return records.read_all(connection)

    def rollout(self, id: str) -> RolloutRecord:
        """The rollout of that id; raises NotFound."""
        with self._db.read() as connection:
            records.rollout_row(connection, id)
            return records.read_all(connection, id)[0]

    def orders_for(
        self, device: str, states: tuple[ModelState, ...], pace: Pace
    ) -> tuple[tuple[Install, ...], tuple[Rollback, ...]]:
        """What `device` shall install and give up, given what it reports; the same answer until something changes."""
        return self._offers.orders_for(device, states, pace)

    def concerned(self, devices: Sequence[str]) -> set[str]:
        """Those of a few `devices` for which `orders_for` may have anything: the others need not be asked for."""
        with self._db.read() as connection:
            return concerned(connection, devices)

    def on_report(self, connection: sa.Connection, device: str, report: InstallReport) -> bool:
        """Take in how an install ended, in the caller's transaction; False for what is known already or not ours."""
        return self._offers.on_report(connection, device, report)

    def desired(self, devices: Collection[str] | None = None) -> dict[str, dict[str, Desired]]:
        """What is wanted by device and model, and which counters went wrong there; for `devices`, None: for all."""
        return self._offers.desired(devices)

    def _keep(
        self,
        connection: sa.Connection,
        head: dict[str, Any],
        waves: list[dict[str, Any]],
        deployments: list[dict[str, Any]],
        needs: Mapping[tuple[str, str], int],
    ) -> None:
        connection.execute(sa.insert(table.rollout).values(head))
        connection.execute(sa.insert(table.wave), waves)
        connection.execute(sa.insert(table.deployment), deployments)
        if head["deltas_due_at"]:
            why = f"deltas for the devices of rollout {head['id']}"
            self._ways.start(connection, head["release"], needs, id=head["id"] + DELTAS, why=why)
        self.waves.start(connection, head["id"], 1)

    def _rehearse(self, id: str, wanted: RolloutState) -> RolloutRecord:
        """The rollout as it is, if it may become `wanted`; raises RolloutMovedOn."""
        record = self.rollout(id)
        next_state(record.state, wanted)
        return record

    def _move(
        self, connection: sa.Connection, principal: Principal, id: str, wanted: RolloutState, reason: str
    ) -> None:
        """Give a rollout another state, and let the run of its wave notice."""
        head = records.rollout_row(connection, id)
        state = next_state(RolloutState(head["state"]), wanted)
        connection.execute(sa.update(table.rollout).where(table.rollout.c.id == id).values(state=state, reason=reason))
        self._tell(connection, principal, f"rollout.{_VERB[state]}", id, reason=reason)
        self.waves.wake(connection, id)

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
                self._move(connection, SYSTEM, rollout, RolloutState.PAUSED, f"run {event.subject} {state}")

    def _on_fault(self, event: Event) -> None:
        with self._db.write() as connection:
            note_fault(connection, event.subject, event.data["code"], event.data["message"], event.at)

    def _on_release_bad(self, event: Event) -> None:
        """Whoever found a release bad: no device keeps it."""
        model, counter = parse_release(event.subject)
        of = table.deployment.c
        with self._db.write() as connection:
            which = sa.and_(of.model == model, of.counter == counter)
            records.withdraw(connection, which, str(event.data.get("reason", "")), self._clock())

    def _tell(self, connection: sa.Connection, principal: Principal, action: str, id: str, **detail: Any) -> None:
        self._audit.record(connection, principal.name, action, id, **detail)
        self._events.record(connection, action, id, **detail)


_VERB = {
    RolloutState.PAUSED: "paused",
    RolloutState.RUNNING: "resumed",
    RolloutState.ABORTED: "aborted",
}


def _next_id(connection: sa.Connection, release: ReleaseRecord) -> str:
    query = sa.select(sa.func.count()).where(table.rollout.c.release == release.id)
    return f"{release.model}-{release.counter}-r{(connection.scalar(query) or 0) + 1}"


def _wave_rows(head: dict[str, Any], plan: Plan) -> list[dict[str, Any]]:
    blank = {"rollout": head["id"], "state": WaveState.PENDING, "attempt": 1, "run": "", "reason": ""}
    times = {"started_at": None, "ended_at": None}
    return [
        {**blank, **times, "number": number, "size": len(wave.devices)} for number, wave in enumerate(plan.waves, 1)
    ]


def _deployment_rows(head: dict[str, Any], plan: Plan) -> list[dict[str, Any]]:
    now = head["created_at"]
    rows = [
        _deployment(head, device, number, DeploymentState.PENDING, offer=plan.offers[device])
        for number, wave in enumerate(plan.waves, 1)
        for device in wave.devices
    ]
    rows += [
        _deployment(head, device, 0, DeploymentState.COMMITTED, "runs it already") | {"offered_at": now}
        for device in plan.already
    ]
    rows += [_deployment(head, device, 0, DeploymentState.REFUSED, reason) for device, reason in plan.refused.items()]
    return rows


def _deployment(
    head: dict[str, Any],
    device: str,
    wave: int,
    state: DeploymentState,
    reason: str = "",
    *,
    offer: Offer | None = None,
) -> dict[str, Any]:
    return {
        "id": f"{head['id']}:{device}",
        "rollout": head["id"],
        "wave": wave,
        "device": device,
        "model": head["model"],
        "version": head["version"],
        "counter": head["counter"],
        "target": offer.package.target if offer else "",
        "target_path": offer.package.path if offer else "",
        "manifest_sha256": offer.package.manifest_sha256 if offer else "",
        "state": state,
        "reason": reason,
        "updated_at": head["created_at"],
        "offered_at": None,
        "agreement": None,
        "planned_bytes": 0,
        "received_bytes": 0,
        "full_bytes": 0,
        "used_delta": False,
        "interruptions": 0,
    }
