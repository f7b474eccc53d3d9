"""Rollouts as the public API shows them, read from their tables: as much as a page holds, whatever their size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeploymentPage, DeploymentRecord, RolloutRecord, WaveRecord
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import ACTIVE, BROKEN, OPEN, UNDER_WAY, DeploymentState

MAX_SHOWN = 200
MAX_PAGE = 1000
Row = Mapping[str, Any]
Counts = Mapping[int, Counter[str]]
_OF = table.deployment.c


def rollout_row(connection: sa.Connection, id: str) -> Row:
    """The rollout of that id; raises NotFound."""
    row = connection.execute(sa.select(table.rollout).where(table.rollout.c.id == id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no rollout '{id}'", field="rollout", hint="`edgewright rollout ls` lists them.")
    return dict(row)


def read_all(connection: sa.Connection) -> list[RolloutRecord]:
    """All rollouts, newest first, without deployments."""
    return _read(connection, sa.select(table.rollout.c.id))


def read_newest(connection: sa.Connection, newest: int, most: int) -> list[RolloutRecord]:
    """The `newest` rollouts and those that are live, `most` at most, newest first and without deployments."""
    of = table.rollout.c
    live = sa.select(of.number, of.id).where(of.state.in_(ACTIVE)).order_by(of.number.desc()).limit(most)
    last = sa.select(of.number, of.id).order_by(of.number.desc()).limit(newest)
    found = {row.number: row.id for query in (last, live) for row in connection.execute(query)}
    return _read(connection, list(found.values())[:most])


def count_states(connection: sa.Connection) -> dict[str, int]:
    """How many rollouts are in which state."""
    of = table.rollout.c
    query = sa.select(of.state, sa.func.count()).group_by(of.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def read_one(connection: sa.Connection, id: str) -> RolloutRecord:
    """The rollout of that id, with the deployments that matter most; raises NotFound."""
    head = rollout_row(connection, id)
    waves = _dicts(connection, sa.select(table.wave).where(table.wave.c.rollout == id).order_by(table.wave.c.number))
    counts: dict[int, Counter[str]] = {}
    for row in connection.execute(sa.select(table.tally).where(table.tally.c.rollout == id)).mappings():
        counts.setdefault(row["wave"], Counter())[row["state"]] = row["count"]
    return record(head, waves, _shown(connection, id, counts), counts)


def read_page(
    connection: sa.Connection, id: str, state: str, wave: int | None, after: str, limit: int
) -> DeploymentPage:
    """Deployments of a rollout in their order, from the one after `after` (a page's own word) on; raises NotFound."""
    rollout_row(connection, id)
    if after and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise InvalidInput(f"'{after[:40]}' is no place in a list", field="after", hint="Give what a page said.")
    query = sa.select(table.deployment).where(_OF.rollout == id).order_by(_OF.number)
    if state:
        query = query.where(_OF.state == _state(state))
    if wave is not None:
        query = query.where(_OF.wave == wave)
    if after:
        query = query.where(_OF.number > int(after))
    most = min(max(limit, 1), MAX_PAGE)
    rows = _dicts(connection, query.limit(most + 1))
    page = tuple(msgspec.convert(_deployment(row), DeploymentRecord) for row in rows[:most])
    return DeploymentPage(deployments=page, after=str(rows[most - 1]["number"]) if len(rows) > most else "")


def record(rollout: Row, waves: Iterable[Row], deployments: Iterable[Row], counts: Counts) -> RolloutRecord:
    """Put a rollout's rows together; `counts` are of its deployments by wave and state."""
    fields = {name: rollout[name] for name in RolloutRecord.__struct_fields__ if name in rollout}
    fields["waves"] = [_wave(wave, counts.get(wave["number"], Counter())) for wave in waves]
    fields["deployments"] = [_deployment(row) for row in deployments]
    states = sum(counts.values(), Counter[str]())
    fields["devices"], fields["states"] = sum(states.values()), {name: n for name, n in states.items() if n}
    return msgspec.convert(fields, RolloutRecord)


def counts_of(deployments: Iterable[Row]) -> Counts:
    """The tally of deployments that are in no table yet."""
    counts: dict[int, Counter[str]] = {}
    for row in deployments:
        counts.setdefault(row["wave"], Counter())[row["state"]] += 1
    return counts


def first_shown(deployments: Iterable[Row]) -> list[Row]:
    """Those of a plan that are shown: as `_shown` would read them once it has started."""
    rows = list(deployments)
    broken = [row for row in rows if row["state"] in BROKEN]
    others = [row for row in rows if row["state"] not in BROKEN]
    return _in_order([*broken, *others][:MAX_SHOWN])


def _shown(connection: sa.Connection, id: str, counts: Counts) -> list[Row]:
    """The broken ones first, then those of the earliest waves; 200 at most, and in the order of the plan."""
    of_rollout = sa.select(table.deployment).where(_OF.rollout == id).limit(MAX_SHOWN)
    found: list[Row] = []
    for wave in sorted(counts):
        for state in BROKEN:
            if counts[wave][state] and len(found) < MAX_SHOWN:
                one = of_rollout.where(_OF.wave == wave, _OF.state == state)
                found += _dicts(connection, one.order_by(_OF.number))
    others = of_rollout.where(_OF.state.not_in(BROKEN)).order_by(_OF.number)
    if len(found) < MAX_SHOWN:
        found += _dicts(connection, others)
    return _in_order(found[:MAX_SHOWN])


def _read(connection: sa.Connection, ids: Sequence[str] | sa.Select[Any]) -> list[RolloutRecord]:
    waves, tallies = defaultdict[str, list[Row]](list), defaultdict[str, dict[int, Counter[str]]](dict)
    of = table.wave.c
    for row in _dicts(connection, sa.select(table.wave).where(of.rollout.in_(ids)).order_by(of.number)):
        waves[row["rollout"]].append(row)
    for row in _dicts(connection, sa.select(table.tally).where(table.tally.c.rollout.in_(ids))):
        tallies[row["rollout"]].setdefault(row["wave"], Counter())[row["state"]] = row["count"]
    heads = sa.select(table.rollout).where(table.rollout.c.id.in_(ids)).order_by(table.rollout.c.number.desc())
    return [record(head, waves[head["id"]], (), tallies[head["id"]]) for head in _dicts(connection, heads)]


def _dicts(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["state"] not in BROKEN)


def _state(text: str) -> DeploymentState:
    try:
        return DeploymentState(text)
    except ValueError as error:
        able = ", ".join(DeploymentState)
        raise InvalidInput(f"'{text[:40]}' is no state", field="state", hint=f"States are {able}.") from error


def _deployment(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in DeploymentRecord.__struct_fields__}


def _wave(wave: Row, counts: Counter[str]) -> dict[str, Any]:
    own = {name: wave[name] for name in WaveRecord.__struct_fields__ if name in wave}
    return own | {
        "committed": counts[DeploymentState.COMMITTED],
        "failed": sum(counts[state] for state in BROKEN),
        "waiting": sum(counts[state] for state in OPEN),
        "held": counts[DeploymentState.HELD],
        "under_way": sum(counts[state] for state in UNDER_WAY),
    }
