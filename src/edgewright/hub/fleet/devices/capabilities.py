"""What a device measured of its machine: checked as hostile input, and written where it has changed."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from edgewright.contract.errors import HostileInput
from edgewright.contract.report import Capabilities
from edgewright.hub.fleet import table

MAX_ITEMS = 32
MAX_BYTES = 2**62
MAX_CORES = 2**20
FREE_STEP_BYTES = 256 * 10**6
"""Free space on a disk is written when it has changed by so much, or by a tenth."""

_PLAIN = re.compile(r"[\x20-\x7e]{0,100}")


def check_machine(machine: Capabilities) -> None:
    """Raise HostileInput unless every part has a plausible size."""
    texts = [machine.arch, machine.agent_version, machine.python, machine.link_kind, machine.time_zone]
    texts += [text for item in machine.runtimes.items() for text in item]
    texts += [*machine.hardware_ids, *machine.accelerators]
    texts += [text for name, found in machine.providers.items() for text in (name, *found)]
    lists = (machine.runtimes, machine.hardware_ids, machine.accelerators, machine.providers)
    counts = map(len, (*lists, *machine.providers.values()))
    if max(counts) > MAX_ITEMS or not all(_PLAIN.fullmatch(text) for text in texts):
        raise HostileInput(
            "names are at most 100 plain characters, runtimes, providers, accelerators and hardware ids at most 32",
            field="capabilities",
        )
    sizes = (machine.ram_bytes, machine.disk_free_bytes)
    if not all(0 <= size < MAX_BYTES for size in sizes) or not 0 <= machine.cores < MAX_CORES:
        raise HostileInput("cores and bytes of a machine are not negative", field="capabilities")


def columns_of(machine: Capabilities) -> dict[str, Any]:
    """The values of a device's row that its machine tells."""
    return {
        "arch": machine.arch,
        "cores": machine.cores,
        "ram_bytes": machine.ram_bytes,
        "disk_free_bytes": machine.disk_free_bytes,
        "runtimes": machine.runtimes,
        "providers": {name: list(found) for name, found in machine.providers.items()},
        "hardware_ids": list(machine.hardware_ids),
        "accelerators": list(machine.accelerators),
        "agent_version": machine.agent_version,
        "python": machine.python,
        "link_kind": machine.link_kind,
        "time_zone": machine.time_zone,
    }


def learn(connection: sa.Connection, device: str, machine: Capabilities, now: float) -> tuple[str, ...]:
    """Write what has changed; the names of those columns, () where nothing did or nobody is called so."""
    wanted = columns_of(machine)
    query = sa.select(*(table.device.c[name] for name in wanted)).where(table.device.c.id == device)
    known = connection.execute(query).mappings().first()
    if known is None:
        return ()
    changed = {name: value for name, value in wanted.items() if known[name] != value}
    if not _is_worth_telling(known["disk_free_bytes"], machine.disk_free_bytes):
        changed.pop("disk_free_bytes", None)
    if changed:
        update = sa.update(table.device).where(table.device.c.id == device)
        connection.execute(update.values(**changed, changed_at=now))
    return tuple(sorted(changed))


def _is_worth_telling(old_bytes: int, new_bytes: int) -> bool:
    return abs(new_bytes - old_bytes) >= min(FREE_STEP_BYTES, max(old_bytes, 1) / 10)
