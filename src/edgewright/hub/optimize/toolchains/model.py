"""What a toolchain is, and what is known of one that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

Tell = Callable[[int, int], None]
"""Told bytes on the disk so far, and how many there will be, about twice a second."""

Build = Callable[[Path, Tell], None]
"""Fills an empty folder so that it has bin/python; raises Refused."""


@dataclass(frozen=True)
class Toolchain:
    """One that can be installed. `versions` is what it holds, by name: others of them are another toolchain.

    `check` are arguments for its Python, which must end with status 0 before it counts; `needs_bytes` is its size on
    the disk.
    """

    name: str
    title: str
    needs_bytes: int
    versions: Mapping[str, str]
    build: Build
    check: tuple[str, ...]


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What `toolchain.json` in an installed one says, and `ls` shows. `state`: installed, outdated, or none."""

    name: str
    title: str
    state: str
    size_bytes: int
    versions: dict[str, str]
    python: str = ""
