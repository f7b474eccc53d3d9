"""What is known of sites: installs under way there, who is away or in quarantine, how long their lines are taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract import windows
from edgewright.contract.api import Budget, ScheduleDraft, SiteCap
from edgewright.hub.fleet import Fleet, Seen
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import is_away
from edgewright.hub.rollout.model import ACTIVE
from edgewright.hub.rollout.running.admission import Site, Terms, site_of
from edgewright.hub.rollout.running.ledger import chunks

FRESH_S = 15.0
"""For so long the hub believes who is away at a site."""
MAX_REMEMBERED = 20_000
Labels = Mapping[str, str]
_LEASE = table.site_lease.c


class Sites:
    """Reads sites by name; only those that candidates are at."""

    def __init__(self, fleet: Fleet, listening_since: float) -> None:
        self._fleet = fleet
        self._listening_since = listening_since
        self._out: dict[str, tuple[float, frozenset[str]]] = {}

    def of(
        self,
        connection: sa.Connection,
        labels: Iterable[Labels],
        terms: Collection[Terms],
        patience_s: float,
        now: float,
    ) -> dict[str, Site]:
        """The sites of devices with these labels, as far as `terms` ask about them."""
        devices = list(labels)
        names = {(one, site_of(one, each)) for term in terms for one in term.labels for each in devices}
        budgeted = {(one.per, site_of(one.per, each)) for term in terms for one in term.budgets for each in devices}
        under_way = _under_way(connection, sorted(name for _, name in names), now)
        lines = _lines(connection, sorted(name for _, name in names))
        out = self._unavailable(budgeted, patience_s, now)
        found = {}
        for _, name in names:
            at_it = under_way.get(name, [])
            found[name] = Site(frozenset(at_it) | out.get(name, frozenset()), len(at_it), lines.get(name, 0.0))
        return found

    def learn(self, terms: Terms, now: float) -> None:
        """Read which devices are at which site by the budgets of `terms`: once for the fleet, and not in a tick."""
        for budget in terms.budgets:
            self._fleet.lanes.at(budget.per, (), now)

    def is_away(self, seen: Seen, patience_s: float, now: float) -> bool:
        """Whether a device was silent for longer than it may be, while the hub listened."""
        return is_away(seen, self._listening_since, patience_s, now)

    def _unavailable(
        self, sites: Collection[tuple[str, str]], patience_s: float, now: float
    ) -> dict[str, frozenset[str]]:
        """Who is away or may not get orders, by site; for a site of many devices that costs as much as they are."""
        stale: dict[str, list[str]] = defaultdict(list)
        for label, name in sites:
            if now - self._out.get(name, (float("-inf"), None))[0] >= FRESH_S:
                stale[label].append(name.partition("=")[2])
        if len(self._out) > MAX_REMEMBERED:
            self._out.clear()
        for label, values in stale.items():
            at = self._fleet.lanes.at(label, values, now)
            present = self._fleet.lanes.present([device for devices in at.values() for device in devices])
            out = {id for id, one in present.items() if not one.is_active or self.is_away(one.seen, patience_s, now)}
            self._out |= {f"{label}={value}": (now, at[value] & out) for value in values}
        return {name: self._out[name][1] for _, name in sites if name in self._out}


def terms_of(head: Mapping[str, Any]) -> Terms:
    """What a rollout asks of admission; an emergency asks nothing."""
    if head["emergency"]:
        return Terms(is_emergency=True)
    schedule = msgspec.convert(head["schedule"], ScheduleDraft)
    return Terms(
        tuple(windows.parse(text) for text in schedule.windows),
        msgspec.convert(head["budgets"], tuple[Budget, ...]),
        msgspec.convert(head["caps"], tuple[SiteCap, ...]),
    )


def watched(connection: sa.Connection) -> Terms:
    """The budgets and caps of all rollouts that run: what is under way anywhere counts by their labels."""
    of = table.rollout.c
    query = sa.select(of.budgets, of.caps).where(of.state.in_(ACTIVE), of.emergency == "")
    rows = connection.execute(query).all()
    return Terms(
        budgets=msgspec.convert([rule for row in rows for rule in row.budgets], tuple[Budget, ...]),
        caps=msgspec.convert([rule for row in rows for rule in row.caps], tuple[SiteCap, ...]),
    )


def take_leases(
    connection: sa.Connection, taken: Sequence[tuple[int, str, Labels, float]], labels: Collection[str]
) -> None:
    """Note that these deployments (number, device, its labels, until when) take a place at each of their sites."""
    rows = [
        {"deployment": number, "device": device, "site": site_of(label, own), "until": until}
        for number, device, own, until in taken
        for label in labels
    ]
    if rows:
        connection.execute(sa.insert(table.site_lease), rows)


def take_lines(connection: sa.Connection, free_at: Mapping[str, float]) -> None:
    """Note until when lines are taken."""
    of = table.site_line.c
    for site, at in free_at.items():
        changed = connection.execute(sa.update(table.site_line).where(of.site == site).values(free_at=at))
        if changed.rowcount == 0:
            connection.execute(sa.insert(table.site_line).values(site=site, free_at=at))


def _under_way(connection: sa.Connection, names: Sequence[str], now: float) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for part in chunks(names):
        query = sa.select(_LEASE.site, _LEASE.device).where(_LEASE.site.in_(part), _LEASE.until > now)
        for row in connection.execute(query):
            found[row.site].append(row.device)
    return found


def _lines(connection: sa.Connection, names: Sequence[str]) -> dict[str, float]:
    of, found = table.site_line.c, dict[str, float]()
    for part in chunks(names):
        rows = connection.execute(sa.select(of.site, of.free_at).where(of.site.in_(part)))
        found.update({row.site: row.free_at for row in rows})
    return found
