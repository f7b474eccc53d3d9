"""The devices' side of rollouts: what a device shall do now, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from edgewright.contract.api import ReleaseState, RolloutState
from edgewright.contract.order import MAX_ORDER_BYTES, Install, Rollback, Shadow
from edgewright.contract.report import InstallReport, ModelState, Outcome, Pace
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import Desired, chunks
from edgewright.hub.packaging import FETCH_BYTES, MAX_FETCHES, Plan
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import ACTIVE, OPEN, STARTED, DeploymentState, after_report
from edgewright.hub.rollout.packages import Packages, Ways

log = structlog.get_logger()

MAX_REASON_CHARS = 2000
MAX_STEP_CHARS = 40
MAX_ID_CHARS = 200
MAX_COUNT = 2**31 - 1
MAX_BYTES = 2**50
MAX_TOLD_CHARS = 200
HEAD_BYTES = 8 * 1024  # of an order, with what it asks to collect
INSTALL_BYTES = 900  # without its fetches
Row = sa.Row[Any]
Wake = Callable[[sa.Connection, str], None]
"""Lets the run of a rollout's wave look again once a transaction has committed."""


class Offers:
    """Turns deployments into orders, and reports into deployments."""

    def __init__(
        self, db: Database, events: Events, clock: Callable[[], float], wake: Wake, packages: Packages, ways: Ways
    ) -> None:
        self._db = db
        self._events = events
        self._clock = clock
        self._wake = wake
        self._packages = packages
        self._ways = ways

    def orders_for(
        self, device: str, states: tuple[ModelState, ...], pace: Pace
    ) -> tuple[tuple[Install, ...], tuple[Rollback, ...]]:
        """What `device` shall install and give up, given what it reports; the same answer until something changes.

        Of each model it gets the newest release only, however many it has missed. A device that must give a
        release up is offered nothing of that model until it has. All of it fits into one order.
        """
        by_model = {state.model: state for state in states}
        with self._db.read() as connection:
            deployments = _by_model(connection.execute(_of_device(device, states)))
        wanted: list[tuple[Row, ModelState | None, bool]] = []
        rollbacks: list[Rollback] = []
        for model, history in sorted(deployments.items()):
            state, rows = by_model.get(model), _newest(history)
            given_up = [row for row in rows if _is_to_give_up(row, state)]
            rollbacks.extend(_rollback(row) for row in given_up)
            offered = [row for row in rows if _is_on_offer(row, state)]
            if offered and not given_up:
                row = max(offered, key=lambda row: row.counter)
                wanted.append((row, state, _was_taken_back(row, history)))
        room = max_fetches(len(wanted), rollbacks)
        installs = [one for item in wanted for one in self._install(*item, pace, room)]
        return tuple(installs), tuple(rollbacks)

    def on_report(self, connection: sa.Connection, device: str, report: InstallReport) -> bool:
        """Take in how an install ended, in the caller's transaction; False for what is known already or not ours.

        The wave that now runs is woken once the transaction has committed.
        """
        row = connection.execute(sa.select(table.deployment).where(table.deployment.c.id == report.deployment)).first()
        if row is None or (row.device, row.model, row.counter) != (device, report.model, report.counter):
            log.warning("rollout.report_refused", device=device, deployment=report.deployment[:MAX_ID_CHARS])
            return False
        if not 0 < len(report.id) <= MAX_ID_CHARS or not self._is_first(connection, device, report):
            return False
        state = after_report(DeploymentState(row.state), report.outcome)
        values = _measured(report) | {"updated_at": self._clock()}
        if state != row.state:
            values |= {"state": state, "reason": report.reason[:MAX_REASON_CHARS]}
        connection.execute(sa.update(table.deployment).where(table.deployment.c.number == row.number).values(values))
        if state is DeploymentState.COMMITTED:
            _supersede(connection, row, self._clock())
        facts = {"device": device, "model": row.model, "counter": row.counter, "outcome": report.outcome}
        self._events.record(connection, "rollout.reported", row.id, **facts)
        self._wake(connection, row.rollout)
        return True

    def desired(self, devices: Collection[str] | None = None) -> dict[str, dict[str, Desired]]:
        """What is wanted by device and model, and which counters went wrong there; for `devices`, None: for all."""
        wanted: dict[tuple[str, str], int] = {}
        bad: dict[tuple[str, str], set[int]] = defaultdict(set)
        with self._db.read() as connection:
            for row in _of_devices(connection, devices):
                key = (row.device, row.model)
                wanted.setdefault(key, 0)
                if row.state == DeploymentState.COMMITTED or _is_started(row):
                    wanted[key] = max(wanted[key], row.counter)
                if row.state == DeploymentState.ROLLED_BACK or _is_halted(row):
                    bad[key].add(row.counter)
        found: dict[str, dict[str, Desired]] = defaultdict(dict)
        for (id, model), counter in wanted.items():
            found[id][model] = Desired(counter, tuple(sorted(bad[id, model])))
        return dict(found)

    def _install(
        self, row: Row, state: ModelState | None, is_reoffer: bool, pace: Pace, max_fetches: int
    ) -> Iterable[Install]:
        if self._packages.release(row.model, row.counter).state is not ReleaseState.READY:
            return
        held = frozenset(state.held_manifests if state else ())
        plan = self._ways.plan(row.manifest_sha256, held, pace, max_fetches)
        if row.state == DeploymentState.PENDING and not self._offer(row.number, plan):
            return
        self._ways.note_used(plan.fetches)
        self._foresee(row, state)
        yield Install(
            deployment=row.id,
            model=row.model,
            version=row.version,
            counter=row.counter,
            target_path=row.target_path,
            manifest_sha256=row.manifest_sha256,
            fetches=plan.fetches,
            shadow=msgspec.convert(row.shadow, Shadow) if row.shadow else None,
            is_reoffer=is_reoffer,
        )

    def _foresee(self, row: Row, state: ModelState | None) -> None:
        """Have deltas made from what this device runs, if nobody has asked for them before: it gets what there is."""
        base = state.manifest_sha256 if state is not None else ""
        if base in ("", row.manifest_sha256) or self._ways.is_foreseen(base, row.manifest_sha256):
            return
        with self._db.write() as connection:
            needs, why = {(base, row.manifest_sha256): 1}, f"{row.device} came with another base"
            id = f"{row.rollout}-deltas-{base[:12]}"
            self._ways.start(connection, f"{row.model}/{row.counter}", needs, id=id, why=why)

    def _offer(self, number: int, plan: Plan) -> bool:
        """Note that a device is offered its deployment; False if it was taken back a moment ago."""
        now = self._clock()
        deployments = table.deployment
        query = sa.update(deployments).where(deployments.c.number == number, deployments.c.state.in_(OPEN))
        with self._db.write() as connection:
            values = {"state": DeploymentState.OFFERED, "offered_at": now, "updated_at": now}
            values |= {"planned_bytes": plan.sent_bytes, "full_bytes": plan.full_bytes}
            return connection.execute(query.values(values)).rowcount == 1

    def _is_first(self, connection: sa.Connection, device: str, report: InstallReport) -> bool:
        reports = table.install_report
        known = sa.select(reports.c.id).where(reports.c.device == device, reports.c.id == report.id)
        if connection.scalar(known) is not None:
            return False
        row = {"device": device, "id": report.id, "deployment": report.deployment, "received_at": self._clock()}
        connection.execute(sa.insert(reports).values(**row, body=_kept(report)))
        return True


def max_fetches(installs: int, rollbacks: list[Rollback]) -> int:
    """How many fetches each install of an order may name, so that all of it stays within MAX_ORDER_BYTES."""
    taken_bytes = HEAD_BYTES + installs * INSTALL_BYTES + len(msgspec.json.encode(rollbacks))
    return min(MAX_FETCHES, max(0, MAX_ORDER_BYTES - taken_bytes) // FETCH_BYTES // max(1, installs))


def _of_device(device: str, states: tuple[ModelState, ...]) -> sa.Select[Any]:
    """Deployments that still matter to a device: those of counters below the one it runs never do."""
    model, counter = table.deployment.c.model, table.deployment.c.counter
    matters = [sa.and_(model == state.model, counter >= state.counter) for state in states]
    unreported = model.not_in([state.model for state in states])
    query = _joined(table.deployment, table.rollout.c.shadow)
    return query.where(table.deployment.c.device == device, sa.or_(unreported, *matters))


def _of_devices(connection: sa.Connection, devices: Collection[str] | None) -> Iterator[Row]:
    of = table.deployment.c
    query = _joined(of.device, of.model, of.counter, of.state, of.offered_at)
    if devices is None:
        yield from connection.execute(query)
        return
    for part in chunks(devices):
        yield from connection.execute(query.where(of.device.in_(part)))


def _joined(*columns: Any) -> sa.Select[Any]:
    """Deployments, oldest first, with the states of their rollout and wave (none where they are in no wave)."""
    of = table.deployment.c
    states = (table.rollout.c.state.label("rollout_state"), table.wave.c.state.label("wave_state"))
    in_wave = sa.and_(table.wave.c.rollout == of.rollout, table.wave.c.number == of.wave)
    query = sa.select(*columns, *states).select_from(table.deployment)
    return (
        query.join(table.rollout, table.rollout.c.id == of.rollout).outerjoin(table.wave, in_wave).order_by(of.number)
    )


def _by_model(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.model].append(row)
    return found


def _newest(history: list[Row]) -> list[Row]:
    """The newest deployment of every counter: an older rollout of the same release counts no more."""
    return list({row.counter: row for row in history}.values())


def _was_taken_back(row: Row, history: list[Row]) -> bool:
    """Whether the device had to give this release up before, so that it must be told that a person offers it again."""
    earlier = (old for old in history if old.counter == row.counter and old.number < row.number)
    return any(old.state == DeploymentState.WITHDRAWN and old.offered_at is not None for old in earlier)


def _is_to_give_up(row: Row, state: ModelState | None) -> bool:
    is_there = state is not None and row.counter in (state.counter, state.candidate_counter)
    return is_there and row.state == DeploymentState.WITHDRAWN and row.offered_at is not None


def _is_on_offer(row: Row, state: ModelState | None) -> bool:
    """Whether the device shall install this; a paused rollout keeps its offers and makes no new ones."""
    if state is not None and row.counter <= state.counter:
        return False
    if row.rollout_state == RolloutState.PAUSED:
        return bool(row.state == DeploymentState.OFFERED)
    return _is_started(row)


def _is_started(row: Row) -> bool:
    is_live = row.rollout_state in (*ACTIVE, RolloutState.DONE)
    return is_live and row.state in OPEN and row.wave_state in STARTED


def _is_halted(row: Row) -> bool:
    is_withdrawn = row.state == DeploymentState.WITHDRAWN and row.offered_at is not None
    return is_withdrawn and row.rollout_state == RolloutState.HALTED


def _rollback(row: Row) -> Rollback:
    return Rollback(deployment=row.id, model=row.model, counter=row.counter, reason=row.reason[:MAX_TOLD_CHARS])


def _kept(report: InstallReport) -> Any:
    """The report as JSON (numbers that are none become null), with texts of bounded length."""
    short = {"step": report.step[:MAX_STEP_CHARS], "reason": report.reason[:MAX_REASON_CHARS]}
    return msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(report, **short)))


def _measured(report: InstallReport) -> dict[str, Any]:
    """What a deployment shows of a report; a device may say what it likes, so numbers are kept in their range."""
    values: dict[str, Any] = {"interruptions": _within(report.interruptions, MAX_COUNT)}
    if report.shadow is not None:
        values["agreement"] = report.shadow.agreement if 0 <= report.shadow.agreement <= 1 else None
    if report.outcome is Outcome.COMMITTED or report.full_bytes:
        values |= {"received_bytes": _within(report.received_bytes, MAX_BYTES)}
        values |= {"full_bytes": _within(report.full_bytes, MAX_BYTES)}
        values["used_delta"] = report.used_delta
    return values


def _within(number: int, most: int) -> int:
    return min(max(number, 0), most)


def _supersede(connection: sa.Connection, row: Row, now: float) -> None:
    """Take back what the device has skipped by installing a newer release."""
    of = table.deployment.c
    older = sa.update(table.deployment).where(
        of.device == row.device, of.model == row.model, of.counter < row.counter, of.state.in_(OPEN)
    )
    reason = f"superseded by release {row.model}/{row.counter}"
    connection.execute(older.values(state=DeploymentState.WITHDRAWN, reason=reason, updated_at=now))
