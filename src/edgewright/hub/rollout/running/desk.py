"""The desk at which deployments are admitted: it finds who is due, asks the rule, and notes leases and places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from edgewright.contract.report import Pace
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.fleet.lanes import Lane
from edgewright.hub.packaging import MAX_FETCHES
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import UNDER_WAY, DeploymentState
from edgewright.hub.rollout.packages import Ways
from edgewright.hub.rollout.running import ledger
from edgewright.hub.rollout.running.admission import (
    Admitted,
    Candidate,
    Later,
    Terms,
    admit,
    lease_s,
    lines_of,
    opens_at,
)
from edgewright.hub.rollout.running.sites import Sites, take_leases, take_lines, terms_of, watched
from edgewright.hub.rollout.running.starting import is_of_one_device

AT_ONCE = 250
"""How many deployments one look admits at most: a tick stays short, and the next one follows at once."""
SETTLED_S = 10.0
"""A lease that ends so soon is not renewed: clocks of hubs and devices differ."""
Row = Mapping[str, Any]
Held = Callable[[sa.Connection, str, Collection[str], int], Mapping[str, str]]
"""Which of some devices a person keeps from a release (model, devices, counter), and why."""
_OF = table.deployment.c
_COLUMNS = (_OF.number, _OF.device, _OF.rollout, _OF.full_bytes, _OF.manifest_sha256)


@dataclass(frozen=True)
class Served:
    """What one look did. `has_more`: others are due at once; `next_due_at`: when the next one is, if any is known."""

    admitted: int = 0
    has_more: bool = False
    next_due_at: float | None = None


class Desk:
    """Admits deployments, for a rollout's waves and for devices that come late; several hubs take turns."""

    def __init__(self, events: Events, fleet: Fleet, ways: Ways, held: Held, listening_since: float) -> None:
        self._events = events
        self._fleet = fleet
        self._ways = ways
        self._held = held
        self._sites = Sites(fleet, listening_since)

    def open(self, connection: sa.Connection, head: Row, now: float) -> None:
        """Begin to count by the labels of a new rollout: what is under way already takes its places there."""
        wanted = terms_of(head)
        self._sites.learn(wanted, now)
        fresh = wanted.labels - watched(connection).labels
        if not fresh:
            return
        query = sa.select(_OF.number, _OF.device, _OF.lease_until).where(_OF.lease_until > now)
        rows = connection.execute(query).all()
        lanes = self._fleet.lanes.of([row.device for row in rows])
        known = table.site_lease.c
        connection.execute(
            sa.delete(table.site_lease).where(
                sa.or_(*(known.site.startswith(f"{one}=", autoescape=True) for one in fresh))
            )
        )
        taken = [(row.number, row.device, _labels(lanes, row.device), row.lease_until) for row in rows]
        take_leases(connection, taken, fresh)

    def serve(
        self, connection: sa.Connection, head: Row, waves: Sequence[int], patience_s: float, now: float
    ) -> Served:
        """Admit who is due of these started waves of a rollout, in their order."""
        due: list[Any] = []
        for wave in waves:
            query = _pending(head["id"], wave).where(_OF.due_at <= now).order_by(_OF.due_at, _OF.number)
            due += connection.execute(query.limit(AT_ONCE + 1 - len(due))).all()
            if len(due) > AT_ONCE:
                break
        admitted = self._decide(connection, due[:AT_ONCE], {head["id"]: head}, patience_s, now)
        if len(due) > AT_ONCE:
            return Served(admitted, has_more=True)
        return Served(admitted, next_due_at=_next_due(connection, head["id"], waves))

    def serve_device(self, connection: sa.Connection, heads: Sequence[Row], device: str, now: float) -> int:
        """Admit one device, which has just been heard, to those of these rollouts that it waits for. Says how many."""
        ids = [head["id"] for head in heads]
        query = sa.select(*_COLUMNS).where(_OF.device == device, _OF.rollout.in_(ids))
        rows = connection.execute(query.where(_OF.state == DeploymentState.PENDING)).all()
        return self._decide(connection, rows, {head["id"]: head for head in heads}, None, now)

    def renew(self, connection: sa.Connection, head: Row, row: Any, time_zone: str, now: float) -> float | None:
        """A longer lease for a device that was heard; None where it has ended, or no window is open."""
        if row.lease_until is None or row.lease_until <= now + SETTLED_S:
            return None
        wanted = terms_of(head).windows
        if wanted and opens_at(wanted, time_zone, now) > now:
            return None
        until = now + lease_s(row.full_bytes)
        same = sa.and_(_OF.number == row.number, _OF.state.in_(UNDER_WAY), _OF.lease_until > now)
        if connection.execute(sa.update(table.deployment).where(same).values(lease_until=until)).rowcount == 0:
            return None
        leases = sa.update(table.site_lease).where(table.site_lease.c.deployment == row.number)
        connection.execute(leases.values(until=until))
        return until

    def end_leases(self, connection: sa.Connection, now: float, which: sa.ColumnElement[bool] = sa.true()) -> int:
        """Let deployments whose lease has ended wait until their device is heard; says how many there were."""
        query = sa.select(_OF.number).where(_OF.lease_until <= now, which).limit(AT_ONCE)
        numbers = connection.execute(query).scalars().all()
        lapsed = sa.and_(_OF.number.in_(numbers), _OF.lease_until <= now)
        moved = (
            ledger.move(
                connection, lapsed, UNDER_WAY, DeploymentState.PENDING, now, reason="its lease has ended, unheard"
            )
            if numbers
            else []
        )
        if numbers:
            ledger.let_go(connection, lapsed, now)
        for row in moved:
            ledger.tell_devices(connection, self._events, row.rollout, [row.device])
        return len(moved)

    def _decide(
        self,
        connection: sa.Connection,
        rows: Sequence[Any],
        heads: Mapping[str, Row],
        patience_s: float | None,
        now: float,
    ) -> int:
        rows = self._let_go(connection, rows, heads, now)
        if not rows:
            return 0
        lanes = self._fleet.lanes.of({row.device for row in rows})
        terms = {id: terms_of(head) for id, head in heads.items()}
        running = watched(connection)
        capped = Terms(caps=tuple(cap for one in (running, *terms.values()) for cap in one.caps if cap.bytes_s))
        lines = lines_of(capped.caps)
        candidates = self._candidates(rows, lanes, patience_s, now, is_metered=bool(lines))
        labels = [candidate.labels for candidate in candidates]
        waited_s = patience_s if patience_s is not None else _patience_s(heads)
        sites = self._sites.of(connection, labels, [*terms.values(), capped], waited_s, now)
        chosen = admit(candidates, sites, terms, now, lines)
        counted = running.labels.union(*(one.labels for one in terms.values()))
        self._admit(connection, chosen.admitted, counted, now)
        self._put_off(connection, chosen.later)
        take_lines(connection, chosen.free_at)
        return len(chosen.admitted)

    def _let_go(
        self, connection: sa.Connection, rows: Sequence[Any], heads: Mapping[str, Row], now: float
    ) -> Sequence[Any]:
        """The rows without those whom a person has kept from the release since it was planned; these are `held` now."""
        devices: dict[str, list[str]] = {}
        for row in rows:
            devices.setdefault(row.rollout, []).append(row.device)
        held = {
            (id, device): why
            for id, names in devices.items()
            if not is_of_one_device(head := heads[id])
            for device, why in self._held(connection, head["model"], names, head["counter"]).items()
        }
        for row in rows:
            if why := held.get((row.rollout, row.device)):
                same = _OF.number == row.number
                ledger.move(connection, same, (DeploymentState.PENDING,), DeploymentState.HELD, now, reason=why)
        return [row for row in rows if (row.rollout, row.device) not in held]

    def _candidates(
        self,
        rows: Sequence[Any],
        lanes: Mapping[str, Lane],
        patience_s: float | None,
        now: float,
        *,
        is_metered: bool,
    ) -> list[Candidate]:
        sent = self._sent_bytes(rows) if is_metered else {}
        found = []
        for row in rows:
            lane = lanes.get(row.device)
            kept = "is out of service" if lane is None else "" if lane.is_active else "waits for a person"
            found.append(
                Candidate(
                    number=row.number,
                    device=row.device,
                    rollout=row.rollout,
                    labels=lane.labels if lane else {},
                    time_zone=lane.time_zone if lane else "",
                    full_bytes=row.full_bytes,
                    sent_bytes=sent.get(row.number, row.full_bytes),
                    held=kept,
                    is_away=lane is not None
                    and patience_s is not None
                    and self._sites.is_away(lane.seen, patience_s, now),
                )
            )
        return found

    def _sent_bytes(self, rows: Sequence[Any]) -> dict[int, int]:
        """What installs would send over their sites' lines."""
        states = self._fleet.states([row.device for row in rows])
        planned: dict[tuple[str, frozenset[str]], int] = {}
        found: dict[int, int] = {}
        for row in rows:
            held = frozenset(sha256 for state in states[row.device] for sha256 in state.held_manifests)
            key = (row.manifest_sha256, held)
            if key not in planned:
                planned[key] = self._ways.plan(row.manifest_sha256, held, Pace(), MAX_FETCHES).sent_bytes
            found[row.number] = planned[key]
        return found

    def _admit(
        self, connection: sa.Connection, admitted: Sequence[Admitted], labels: Collection[str], now: float
    ) -> None:
        by_lease: dict[float, list[Candidate]] = {}
        for one in admitted:
            by_lease.setdefault(one.lease_until, []).append(one.candidate)
        for until, candidates in by_lease.items():
            of = {candidate.number: candidate for candidate in candidates}
            values = {"lease_until": until, "reason": "", "due_at": None, "blocked_on": None}
            values["admitted_at"] = sa.func.coalesce(_OF.admitted_at, now)
            which = _OF.number.in_(list(of))
            moved = ledger.move(connection, which, (DeploymentState.PENDING,), DeploymentState.ADMITTED, now, **values)
            taken = [(row.number, row.device, of[row.number].labels, until) for row in moved]
            take_leases(connection, taken, labels)
            for rollout in sorted({row.rollout for row in moved}):
                devices = [row.device for row in moved if row.rollout == rollout]
                ledger.tell_devices(connection, self._events, rollout, devices)

    def _put_off(self, connection: sa.Connection, later: Sequence[Later]) -> None:
        """Note until when others wait. A silent one's order is worked out anew once it is heard: it is served then."""
        if not later:
            return
        change = sa.update(table.deployment).where(_OF.number == sa.bindparam("which"))
        change = change.values(due_at=sa.bindparam("at"), blocked_on=sa.bindparam("site"), reason=sa.bindparam("why"))
        rows = [
            {"which": one.candidate.number, "at": one.due_at, "site": one.blocked_on, "why": one.reason}
            for one in later
        ]
        connection.execute(change, rows)
        silent: dict[str, list[str]] = {}
        for one in later:
            if one.due_at is None:
                silent.setdefault(one.candidate.rollout, []).append(one.candidate.device)
        for rollout, devices in silent.items():
            ledger.tell_devices(connection, self._events, rollout, devices)


def _pending(rollout: str, wave: int) -> sa.Select[Any]:
    return sa.select(*_COLUMNS).where(_OF.rollout == rollout, _OF.wave == wave, _OF.state == DeploymentState.PENDING)


def _next_due(connection: sa.Connection, rollout: str, waves: Sequence[int]) -> float | None:
    pending = sa.and_(_OF.rollout == rollout, _OF.state == DeploymentState.PENDING)
    found = [connection.scalar(sa.select(sa.func.min(_OF.due_at)).where(pending, _OF.wave == wave)) for wave in waves]
    return min((at for at in found if at is not None), default=None)


def _patience_s(heads: Mapping[str, Row]) -> float:
    return max(float(head["gate"].get("patience_s", 60.0)) for head in heads.values())


def _labels(lanes: Mapping[str, Lane], device: str) -> Mapping[str, str]:
    return lanes[device].labels if device in lanes else {}
