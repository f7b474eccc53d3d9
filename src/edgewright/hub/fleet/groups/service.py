"""The verbs of groups: make, change, remove, list, and say who is in one and why."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeviceState, GroupDraft, GroupEdit, GroupRecord, Membership
from edgewright.contract.errors import Conflict, InvalidInput, NotFound
from edgewright.contract.order import MAX_POLL_S, MIN_POLL_S
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.fleet import table
from edgewright.hub.fleet.announcing import Announcer
from edgewright.hub.fleet.facts import DeviceFacts, read_facts
from edgewright.hub.fleet.groups.counting import Counts
from edgewright.hub.fleet.groups.membership import Group, why
from edgewright.hub.fleet.model import IN_SERVICE, Seen
from edgewright.hub.fleet.reported import chunks
from edgewright.hub.fleet.selecting import Selector

CHANGES = ("fleet.grouped", "fleet.group_changed", "fleet.group_removed")
MAX_SHOWN = 100  # members in a group's record
FEW = 5000  # a list of so many devices is read by their ids

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


class GroupExists(Conflict):
    code = "group_exists"
    hint = "Choose another name; `edgewright group ls` lists the groups."


class Groups:
    """Groups of devices. A rollout takes the members of the moment at which it starts: later changes leave it alone."""

    def __init__(self, db: Database, events: Events, announcer: Announcer, newest: Callable[[str, Seen], Seen]) -> None:
        self._db = db
        self._announcer = announcer
        self._newest = newest
        self._counts = Counts(db, newest)
        self._lock = threading.Lock()
        self._paced: tuple[Group, ...] | None = None
        events.watch(CHANGES, self._on_change)

    def create(self, by: str, draft: GroupDraft, now: float, dry_run: bool) -> GroupRecord:
        """Make a group; raises InvalidInput, GroupExists."""
        group = Group(
            name=draft.name,
            selector=draft.selector,
            devices=tuple(sorted(set(draft.devices))),
            created_at=now,
            poll_s=draft.poll_s,
        )
        check_group(group)
        with self._db.write() as connection:
            _check_listed(connection, group.devices)
            if connection.scalar(sa.select(table.group.c.name).where(table.group.c.name == draft.name)) is not None:
                raise GroupExists(f"there is a group '{draft.name}' already", field="name")
            if not dry_run:
                connection.execute(sa.insert(table.group).values(**_columns(group), created_at=now, created_by=by))
                self._announcer.of_group(connection, by, "fleet.grouped", draft.name, selector=draft.selector)
        return self._record(group)

    def edit(self, by: str, name: str, edit: GroupEdit, dry_run: bool) -> GroupRecord:
        """Change a group; raises NotFound, InvalidInput. Live rollouts keep the devices that they began with."""
        with self._db.write() as connection:
            group = _edited(_group(connection, name), edit)
            check_group(group)
            _check_listed(connection, group.devices)
            if not dry_run:
                update = sa.update(table.group).where(table.group.c.name == name)
                connection.execute(update.values(_columns(group)))
                self._announcer.of_group(connection, by, "fleet.group_changed", name, selector=group.selector)
        return self._record(group)

    def remove(self, by: str, name: str, dry_run: bool) -> GroupRecord:
        """Remove a group, not its devices; raises NotFound. Live rollouts keep the devices that they began with."""
        group = self.get(name)
        record = self._record(group)
        if not dry_run:
            with self._db.write() as connection:
                connection.execute(sa.delete(table.group).where(table.group.c.name == name))
                self._announcer.of_group(connection, by, "fleet.group_removed", name)
        return record

    def records(self, now: float) -> list[GroupRecord]:
        """Every group, by name, with its count of now, and without its members."""
        groups = self._all()
        counts = self._counts.of(groups, now)
        return [_as_record(group, (), counts[group.name]) for group in groups]

    def record(self, name: str) -> GroupRecord:
        """One group with the first of its members; raises NotFound."""
        return self._record(self.get(name))

    def get(self, name: str) -> Group:
        """The group of that name; raises NotFound."""
        with self._db.read() as connection:
            return _group(connection, name)

    def facts(
        self, name: str, models: Collection[str] = (), states: Collection[DeviceState] = IN_SERVICE
    ) -> list[DeviceFacts]:
        """The members in one of `states`, by id, with what they report of `models`; raises NotFound."""
        return list(self._members(self.get(name), models, states))

    def everyone(self, models: Collection[str] = ()) -> list[DeviceFacts]:
        """Every device in service, by id, with what it reports of `models`."""
        return read_facts(self._db, self._newest, models)

    def named(self, devices: Collection[str], models: Collection[str] = ()) -> list[DeviceFacts]:
        """Those of `devices` that there are, whatever their state, with what they report of `models`."""
        every = tuple(DeviceState)
        parts = [(table.device.c.id.in_(part),) for part in chunks(devices)]
        return [one for which in parts for one in read_facts(self._db, self._newest, models, which, every)]

    def why(self, name: str, device: str) -> Membership:
        """Whether a device is in a group, and why; raises NotFound."""
        group = self.get(name)
        which = (table.device.c.id == device,)
        found = read_facts(self._db, self._newest, group.models, which, tuple(DeviceState))
        if not found:
            raise NotFound(f"there is no device '{device}'", field="device", hint="`edgewright device ls` lists them.")
        return why(group, found[0])

    def of(self, device: str) -> list[str]:
        """The names of the groups that a device is in now."""
        groups = self._all()
        models = frozenset[str]().union(*(group.models for group in groups))
        found = read_facts(self._db, self._newest, models, (table.device.c.id == device,))
        return [group.name for group in groups if found and group.takes(found[0])]

    def poll_s(self, device: str) -> float | None:
        """How often a device shall check in: the shortest time of its groups, None where none of them says."""
        paced = self._all_paced()
        if not paced:
            return None
        models = frozenset[str]().union(*(group.models for group in paced))
        which = (table.device.c.id == device,)
        found = read_facts(self._db, self._newest, models, which)
        times = (group.poll_s for group in paced if group.poll_s is not None and found and group.takes(found[0]))
        return min(times, default=None)

    def _members(
        self, group: Group, models: Collection[str] = (), states: Collection[DeviceState] = IN_SERVICE
    ) -> Iterator[DeviceFacts]:
        wanted = group.models | set(models)
        parts: list[tuple[sa.ColumnElement[bool], ...]] = [()]
        if group.terms is None and len(group.devices) <= FEW:
            parts = [(table.device.c.id.in_(part),) for part in chunks(group.devices)]
        for which in parts:
            facts = read_facts(self._db, self._newest, wanted, which, states)
            yield from (one for one in facts if group.takes(one))

    def _record(self, group: Group) -> GroupRecord:
        members = [one.id for one in self._members(group)]
        return _as_record(group, tuple(members[:MAX_SHOWN]), len(members))

    def _all(self) -> list[Group]:
        with self._db.read() as connection:
            rows = connection.execute(sa.select(table.group).order_by(table.group.c.name)).mappings()
            return [_of_row(row) for row in rows]

    def _all_paced(self) -> tuple[Group, ...]:
        with self._lock:
            if self._paced is None:
                self._paced = tuple(group for group in self._all() if group.poll_s is not None)
            return self._paced

    def _on_change(self, _event: Event) -> None:
        with self._lock:
            self._paced = None


def _group(connection: sa.Connection, name: str) -> Group:
    row = connection.execute(sa.select(table.group).where(table.group.c.name == name)).mappings().first()
    if row is None:
        raise NotFound(f"there is no group '{name}'", field="group", hint="`edgewright group ls` lists them.")
    return _of_row(row)


def _of_row(row: sa.RowMapping) -> Group:
    return Group(
        name=row["name"],
        selector=row["selector"],
        devices=tuple(row["devices"]),
        created_at=row["created_at"],
        poll_s=row["poll_s"],
    )


def _columns(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "selector": group.selector,
        "devices": list(group.devices),
        "poll_s": group.poll_s,
    }


def _as_record(group: Group, shown: tuple[str, ...], count: int) -> GroupRecord:
    return GroupRecord(
        name=group.name,
        selector=group.selector,
        devices=shown,
        count=count,
        created_at=group.created_at,
        poll_s=group.poll_s,
    )


def _edited(group: Group, edit: GroupEdit) -> Group:
    if edit.selector is not None and edit.devices is not None:
        raise InvalidInput("a group has either a selector or a list of devices", field="selector")
    changes: dict[str, Any] = {}
    if edit.selector is not None:
        changes = {"selector": edit.selector, "devices": ()}
    if edit.devices is not None:
        changes = {"selector": "", "devices": tuple(sorted(set(edit.devices)))}
    if edit.poll_s is not None:
        changes["poll_s"] = edit.poll_s or None
    return msgspec.structs.replace(group, **changes)


def check_group(group: Group) -> None:
    """Raise InvalidInput unless there can be such a group."""
    if not _NAME.fullmatch(group.name):
        raise InvalidInput(
            f"'{group.name}' is no group name", field="name", hint="Use small letters, digits and '_.-', at most 63."
        )
    if bool(group.selector) == bool(group.devices):
        raise InvalidInput(
            "a group has either a selector or a list of devices",
            field="selector",
            hint="Use the selector 'all' for every device.",
        )
    if group.selector:
        Selector(group.selector)
    if group.poll_s is not None and not (math.isfinite(group.poll_s) and MIN_POLL_S <= group.poll_s <= MAX_POLL_S):
        raise InvalidInput(
            f"devices cannot check in every {group.poll_s:g} s",
            field="poll_s",
            hint=f"Choose {MIN_POLL_S:g} to {MAX_POLL_S:g} seconds.",
        )


def _check_listed(connection: sa.Connection, devices: Sequence[str]) -> None:
    known: set[str] = set()
    for part in chunks(devices):
        known.update(connection.scalars(sa.select(table.device.c.id).where(table.device.c.id.in_(part))))
    if missing := set(devices) - known:
        raise InvalidInput(
            f"there is no device '{min(missing)}'", field="devices", hint="`edgewright device ls` lists the ids."
        )
