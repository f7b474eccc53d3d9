"""Whether this device is shut down or just goes down, and how soon after its start: DIR/boots.json.

What takes a whole device down, as a driver's fault in the kernel does, leaves no process that could tell of it. All
that is left is that a boot ended early and without a shut down. On its own that says little, for power is cut for many
reasons; what is made of it, agent/states/crashes.py says.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable

NAME = "boots.json"


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    boot: str = ""
    is_open: bool = False  # neither shut down nor up for long
    in_a_row: int = 0  # of boots before it that ended like that


class Boots:
    """The present boot, named by the kernel, and the ones before it. '' as a name: nothing is known, nothing counts."""

    def __init__(self, root: Path, boot: str) -> None:
        self._path = root / NAME
        self.boot = boot
        last = _read(self._path)
        self.went_down = bool(boot) and last.boot != boot and last.is_open
        """Whether the boot before this one ended early and without a shut down; known once, to the first to look."""
        in_a_row = last.in_a_row if last.boot == boot else last.in_a_row + 1 if self.went_down else 0
        self._stored = last
        self._store(_Stored(boot=boot, is_open=bool(boot), in_a_row=in_a_row))

    @property
    def in_a_row(self) -> int:
        """How many boots in a row, before this one, ended early and without a shut down."""
        return self._stored.in_a_row

    def settle(self) -> None:
        """Hear that the device has been up for long, or is shut down: how this boot ends will say nothing."""
        self._store(_Stored(boot=self.boot))

    def _store(self, stored: _Stored) -> None:
        if stored != self._stored:
            self._stored = stored
            with contextlib.suppress(OSError):  # a full disk, or one for reading only, is no reason not to serve
                durable.replace(self._path, msgspec.json.encode(stored))


def _read(path: Path) -> _Stored:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Stored)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return _Stored()
