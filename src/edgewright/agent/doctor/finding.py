"""The words of an examination."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from edgewright.agent.disk import Identity, Settings


class Verdict(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARN = "warn"  # it works, and will not for ever
    BAD = "bad"  # something does not work


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found: one sentence, and `help` says how to mend what is not as it should be."""

    name: str
    verdict: Verdict
    what: str
    help: str = ""


@dataclass(frozen=True)
class Case:
    """What is examined. `identity` is None where the device has none; `clock` shows seconds since the epoch."""

    root: Path
    settings: Settings
    identity: Identity | None
    environment: Mapping[str, str]
    clock: Callable[[], float]
    monotonic: Callable[[], float]


Check = Callable[[Case], Iterator[Finding]]


def ok(name: str, what: str) -> Finding:
    """As it should be."""
    return Finding(name=name, verdict=Verdict.OK, what=what)


def warn(name: str, what: str, help: str) -> Finding:
    """To be looked at some day."""
    return Finding(name=name, verdict=Verdict.WARN, what=what, help=help)


def bad(name: str, what: str, help: str) -> Finding:
    """To be mended."""
    return Finding(name=name, verdict=Verdict.BAD, what=what, help=help)
