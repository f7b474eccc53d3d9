"""What a selector's names mean: a device's labels first, then what was measured of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from edgewright.hub.fleet.facts import DeviceFacts

MB = 10**6

Found = str | float | tuple[str, ...] | None
"""What a device has under a name; None for nothing."""


class Kind(Enum):
    """How values of a name are compared."""

    WORD = auto()
    NUMBER = auto()
    VERSION = auto()
    WORDS = auto()  # several words, one of which is meant
    LABEL = auto()  # a word, or a number where it is compared by size


@dataclass(frozen=True)
class Name:
    """One measured thing: how it is compared, and where it stands."""

    kind: Kind
    find: Callable[[DeviceFacts], Found]


MEASURED: dict[str, Name] = {
    "name": Name(Kind.WORD, lambda one: one.name),
    "state": Name(Kind.WORD, lambda one: one.state),
    "arch": Name(Kind.WORD, lambda one: one.machine.arch),
    "cores": Name(Kind.NUMBER, lambda one: one.machine.cores),
    "ram_mb": Name(Kind.NUMBER, lambda one: one.machine.ram_bytes / MB or None),
    "disk_free_mb": Name(Kind.NUMBER, lambda one: one.disk_free_bytes / MB or None),
    "hardware": Name(Kind.WORDS, lambda one: _boards(one.machine.hardware_ids) or None),
    "accelerator": Name(Kind.WORDS, lambda one: one.machine.accelerators or None),
    "agent": Name(Kind.VERSION, lambda one: one.agent_version or None),
    "link": Name(Kind.WORD, lambda one: one.link_kind or None),
    "time_zone": Name(Kind.WORD, lambda one: one.time_zone or None),
}


def name_of(name: str) -> Name:
    """What `name` stands for; for any other word it is a label."""
    if name in MEASURED:
        return MEASURED[name]
    family, dot, member = name.partition(".")
    if dot and member and family in _FAMILIES:
        return _FAMILIES[family](member)
    return Name(Kind.LABEL, lambda _one: None)


@lru_cache(maxsize=4096)
def version_key(text: str) -> tuple[int, ...] | None:
    """A version as numbers without zeros at the end, so that 1.20 is 1.20.0; None for what is no version.

    What follows the numbers ('rc1', '+cpu') is left out.
    """
    parts: list[int] = []
    for part in text.strip().removeprefix("v").split("."):
        digits = part[: next((place for place, char in enumerate(part) if not char.isdigit()), len(part))]
        if not digits or not digits.isascii():
            break
        parts.append(int(digits))
        if digits != part:
            break
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts) if text.strip().removeprefix("v")[:1].isdigit() else None


def number_of(text: str) -> float | None:
    """The number that a word writes; None for what is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _boards(hardware_ids: tuple[str, ...]) -> tuple[str, ...]:
    """What follows the maker's name in 'raspberrypi,4-model-b': a comma would end the term."""
    return tuple(id.rpartition(",")[2] for id in hardware_ids)


def _runtime(member: str) -> Name:
    return Name(Kind.VERSION, lambda one: one.machine.runtimes.get(member))


def _provider(member: str) -> Name:
    return Name(Kind.WORDS, lambda one: one.machine.providers.get(member))


def _model(member: str) -> Name:
    return Name(Kind.NUMBER, lambda one: next((s.counter for s in one.models if s.model == member and s.counter), None))


_FAMILIES: dict[str, Callable[[str], Name]] = {"runtime": _runtime, "provider": _provider, "model": _model}
