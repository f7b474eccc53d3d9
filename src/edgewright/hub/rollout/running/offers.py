"""The devices' side of rollouts: what a device shall do now, and for how long that holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import ReleaseState, RolloutState, ScheduleDraft
from edgewright.contract.order import MAX_ORDER_BYTES, Install, Rollback, Shadow
from edgewright.contract.report import ModelState, Pace
from edgewright.hub.db import Database
from edgewright.hub.fleet import Desired, Fleet
from edgewright.hub.packaging import FETCH_BYTES, MAX_FETCHES, Plan
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import ACTIVE, BROKEN, OPEN, STARTED, UNDER_WAY, DeploymentState
from edgewright.hub.rollout.packages import Packages, Ways
from edgewright.hub.rollout.running import ledger
from edgewright.hub.rollout.running.admission import lease_s
from edgewright.hub.rollout.running.desk import Desk
from edgewright.hub.rollout.running.reports import add_bytes

MAX_TOLD_CHARS = 200
HEAD_BYTES = 8 * 1024  # of an order, with what it asks to collect
INSTALL_BYTES = 1100  # without its fetches and windows
WINDOW_BYTES = 60
Row = sa.Row[Any]
_OF = table.deployment.c
_GIVEN_UP = (*BROKEN, DeploymentState.WITHDRAWN)


class Orders(NamedTuple):
    """What a device shall install and give up.

    It stays the same until an event names the device or, where `valid_until` is given, until that moment: leases are
    renewed then, and one that waits is looked at again.
    """

    installs: tuple[Install, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    valid_until: float | None = None


class Wanted(NamedTuple):
    """A deployment that its device shall install now."""

    row: Row
    state: ModelState | None
    is_reoffer: bool


class Offers:
    """Turns deployments into orders."""

    def __init__(
        self, db: Database, clock: Callable[[], float], desk: Desk, fleet: Fleet, packages: Packages, ways: Ways
    ) -> None:
        self._db = db
        self._clock = clock
        self._desk = desk
        self._fleet = fleet
        self._packages = packages
        self._ways = ways

    def orders_for(self, device: str, states: tuple[ModelState, ...], pace: Pace) -> Orders:
        """What `device`, which has just been heard, shall install and give up, given what it reports.

        Of each model it gets the newest release only, however many it has missed. A device that must give a
        release up is offered nothing of that model until it has, unless it holds no other. All fits into one order.
        """
        now, by_model = self._clock(), {state.model: state for state in states}
        rows = self._serve_late(device, states, by_model, now)
        wanted: list[Wanted] = []
        rollbacks: list[Rollback] = []
        for model, history in sorted(_by_model(rows).items()):
            state, newest = by_model.get(model), _newest(history)
            given_up = [row for row in newest if _is_to_give_up(row, state)]
            rollbacks.extend(_rollback(row) for row in given_up)
            offered = [row for row in newest if _is_on_offer(row, state)]
            if offered and not any(_holds_up(row, state) for row in given_up):
                row = max(offered, key=lambda row: row.counter)
                wanted.append(Wanted(row, state, _is_reoffer(row, history)))
        room = max_fetches(len(wanted), rollbacks, _windows(wanted))
        leases = self._renew(device, wanted, now)
        installs = [one for item in wanted for one in self._install(item, pace, room, leases[item.row.number])]
        return Orders(tuple(installs), tuple(rollbacks), _valid_until(rows, wanted, leases, now))

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

    def _serve_late(
        self, device: str, states: tuple[ModelState, ...], by_model: dict[str, ModelState], now: float
    ) -> list[Row]:
        """The device's deployments, after those that waited for it to be heard have been seen to."""
        query = _of_device(device, states)
        with self._db.read() as connection:
            rows = list(connection.execute(query))
        late = [row for row in rows if _waits_for_device(row, by_model.get(row.model), now)]
        if not late:
            return rows
        with self._db.write() as connection:
            self._desk.end_leases(connection, now, _OF.device == device)
            heads = _heads(connection, {row.rollout for row in late})
            self._desk.serve_device(connection, heads, device, now)
            return list(connection.execute(query))

    def _renew(self, device: str, wanted: Sequence[Wanted], now: float) -> dict[int, float | None]:
        """The leases of what is wanted, renewed where half of one has passed."""
        leases = {item.row.number: item.row.lease_until for item in wanted}
        old = [item.row for item in wanted if _renewed_at(item.row, item.row.lease_until) <= now]
        if not old:
            return leases
        lane = self._fleet.lanes.of([device]).get(device)
        with self._db.write() as connection:
            heads = {head["id"]: head for head in _heads(connection, {row.rollout for row in old})}
            for row in old:
                until = self._desk.renew(connection, heads[row.rollout], row, lane.time_zone if lane else "", now)
                leases[row.number] = until or row.lease_until
        return leases

    def _install(self, item: Wanted, pace: Pace, max_fetches: int, lease_until: float | None) -> Iterable[Install]:
        row, state, is_reoffer = item
        if self._packages.release(row.model, row.counter).state is not ReleaseState.READY:
            return
        held = frozenset(state.held_manifests if state else ())
        plan = self._ways.plan(row.manifest_sha256, held, pace, max_fetches)
        if row.state == DeploymentState.ADMITTED and not self._offer(row, plan):
            return
        self._ways.note_used(plan.fetches)
        self._foresee(row, state)
        schedule = ScheduleDraft() if row.emergency else msgspec.convert(row.schedule, ScheduleDraft)
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
            windows=schedule.windows,
            begin_by=row.admitted_at + schedule.max_defer_s if schedule.max_defer_s and row.admitted_at else None,
            lease_until=lease_until,
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

    def _offer(self, row: Row, plan: Plan) -> bool:
        """Note that a device is told of its deployment; False if it was taken back a moment ago."""
        now = self._clock()
        values = {"offered_at": now, "planned_bytes": plan.sent_bytes, "full_bytes": plan.full_bytes}
        with self._db.write() as connection:
            same = _OF.number == row.number
            moved = ledger.move(connection, same, (DeploymentState.ADMITTED,), DeploymentState.OFFERED, now, **values)
            if moved:
                add_bytes(connection, row, values)
        return bool(moved)


def max_fetches(installs: int, rollbacks: list[Rollback], windows: int = 0) -> int:
    """How many fetches each install of an order may name, so that all of it stays within MAX_ORDER_BYTES."""
    taken_bytes = HEAD_BYTES + installs * INSTALL_BYTES + windows * WINDOW_BYTES + len(msgspec.json.encode(rollbacks))
    return min(MAX_FETCHES, max(0, MAX_ORDER_BYTES - taken_bytes) // FETCH_BYTES // max(1, installs))


def _windows(wanted: Sequence[Wanted]) -> int:
    return sum(len(item.row.schedule.get("windows", ())) for item in wanted)


def _of_device(device: str, states: tuple[ModelState, ...]) -> sa.Select[Any]:
    """Deployments that still matter to a device: those of counters below the one it runs never do."""
    model, counter = _OF.model, _OF.counter
    matters = [sa.and_(model == state.model, counter >= state.counter) for state in states]
    unreported = model.not_in([state.model for state in states])
    of = table.rollout.c
    query = _joined(table.deployment, of.shadow, of.schedule, of.emergency)
    return query.where(_OF.device == device, sa.or_(unreported, *matters))


def _of_devices(connection: sa.Connection, devices: Collection[str] | None) -> Iterator[Row]:
    query = _joined(_OF.device, _OF.model, _OF.counter, _OF.state, _OF.offered_at)
    if devices is None:
        yield from connection.execute(query)
        return
    for part in ledger.chunks(list(devices)):
        yield from connection.execute(query.where(_OF.device.in_(part)))


def _joined(*columns: Any) -> sa.Select[Any]:
    """Deployments, oldest first, with the states of their rollout and wave (none where they are in no wave)."""
    states = (table.rollout.c.state.label("rollout_state"), table.wave.c.state.label("wave_state"))
    in_wave = sa.and_(table.wave.c.rollout == _OF.rollout, table.wave.c.number == _OF.wave)
    query = sa.select(*columns, *states).select_from(table.deployment)
    return (
        query.join(table.rollout, table.rollout.c.id == _OF.rollout).outerjoin(table.wave, in_wave).order_by(_OF.number)
    )


def _heads(connection: sa.Connection, ids: Iterable[str]) -> list[dict[str, Any]]:
    query = sa.select(table.rollout).where(table.rollout.c.id.in_(sorted(ids)))
    return [dict(row) for row in connection.execute(query).mappings()]


def _by_model(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.model].append(row)
    return found


def _newest(history: list[Row]) -> list[Row]:
    """The newest deployment of every counter: an older rollout of the same release counts no more."""
    return list({row.counter: row for row in history}.values())


def _is_reoffer(row: Row, history: list[Row]) -> bool:
    """Whether the device gave this release up before, so that it must be told that a person offers it again."""
    earlier = (old for old in history if old.number < row.number and old.offered_at is not None)
    same = (old for old in earlier if row.counter == old.counter or row.manifest_sha256 == old.manifest_sha256)
    return any(old.state in _GIVEN_UP for old in same)


def _is_to_give_up(row: Row, state: ModelState | None) -> bool:
    is_there = state is not None and row.counter in (state.counter, state.candidate_counter)
    return is_there and row.state == DeploymentState.WITHDRAWN and row.offered_at is not None


def _holds_up(row: Row, state: ModelState | None) -> bool:
    """Whether a device must leave this release before it is offered another: not where it holds no other package."""
    is_alone = state is not None and row.counter == state.counter and len(state.held_manifests) < 2
    return not is_alone


def _waits_for_device(row: Row, state: ModelState | None, now: float) -> bool:
    """Whether nobody but the device itself can wake this deployment, or its lease has ended."""
    if not _is_started(row) or row.rollout_state == RolloutState.PAUSED or _is_passed_by(row, state):
        return False
    if row.state in UNDER_WAY:
        return row.lease_until is not None and bool(row.lease_until <= now)
    return row.due_at is None or (row.rollout_state == RolloutState.DONE and bool(row.due_at <= now))


def _is_on_offer(row: Row, state: ModelState | None) -> bool:
    """Whether the device shall install this; a paused rollout keeps its offers and makes no new ones."""
    if _is_passed_by(row, state):
        return False
    if row.rollout_state == RolloutState.PAUSED:
        return bool(row.state == DeploymentState.OFFERED)
    return _is_started(row) and row.state in UNDER_WAY


def _is_passed_by(row: Row, state: ModelState | None) -> bool:
    return state is not None and bool(row.counter <= state.counter)


def _is_started(row: Row) -> bool:
    is_live = row.rollout_state in (*ACTIVE, RolloutState.DONE)
    return is_live and row.state in OPEN and row.wave_state in STARTED


def _is_halted(row: Row) -> bool:
    is_withdrawn = row.state == DeploymentState.WITHDRAWN and row.offered_at is not None
    return is_withdrawn and row.rollout_state == RolloutState.HALTED


def _renewed_at(row: Row, lease_until: float | None) -> float:
    """When half of a lease has passed: the device's next check-in renews it."""
    return float("inf") if lease_until is None else lease_until - lease_s(row.full_bytes) / 2


def _valid_until(
    rows: Sequence[Row], wanted: Sequence[Wanted], leases: dict[int, float | None], now: float
) -> float | None:
    moments = []
    for item in wanted:
        until = leases[item.row.number]
        moments += [at for at in (_renewed_at(item.row, until), until) if at is not None and at > now][:1]
    moments += [row.due_at for row in rows if _is_late(row) and row.due_at is not None]
    return min((at for at in moments if at < float("inf")), default=None)


def _is_late(row: Row) -> bool:
    return bool(row.rollout_state == RolloutState.DONE and row.state == DeploymentState.PENDING)


def _rollback(row: Row) -> Rollback:
    return Rollback(deployment=row.id, model=row.model, counter=row.counter, reason=row.reason[:MAX_TOLD_CHARS])
