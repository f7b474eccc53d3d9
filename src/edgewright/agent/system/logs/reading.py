"""Reading the log back: the last lines that pass a filter, and those that come."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from edgewright.agent.system.logs.file import NAME, paths

LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class Wanted:
    """Which lines: of at least a level, about a model ('' for any), not before a moment (seconds since the epoch)."""

    level: str = "debug"
    model: str = ""
    since: float = 0.0

    def takes(self, line: dict[str, Any]) -> bool:
        """Whether a line is wanted."""
        level = line.get("level")
        if level in LEVELS and LEVELS.index(level) < LEVELS.index(self.level):
            return False
        if self.model and line.get("model") != self.model:
            return False
        return not self.since or moment(line) >= self.since


def tail(folder: Path, wanted: Wanted, count: int) -> list[dict[str, Any]]:
    """The last `count` lines that are wanted, oldest first; torn lines are left out."""
    found: deque[dict[str, Any]] = deque(maxlen=count)
    for path in reversed(paths(folder)):
        if path.is_file():
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # it may become another's name
                found.extend(line for line in map(parse, file) if line is not None and wanted.takes(line))
    return list(found)


def follow(folder: Path, wanted: Wanted, wait: Callable[[float], bool]) -> Iterator[dict[str, Any]]:
    """Lines as they come, over rotations, until `wait` (which pauses so many seconds) says to stop."""
    path, position, inode, rest = folder / NAME, _end(folder / NAME), _inode(folder / NAME), b""
    while not wait(0.25):
        if _inode(path) != inode:
            inode, position, rest = _inode(path), 0, b""
        data = _read_from(path, position)
        position += len(data)
        *whole, rest = (rest + data).split(b"\n")
        yield from (line for line in map(parse, whole) if line is not None and wanted.takes(line))


def parse(data: bytes) -> dict[str, Any] | None:
    """One line, or None where it is none."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def moment(line: dict[str, Any]) -> float:
    """When a line was written, in seconds since the epoch; 0 where it does not say."""
    try:
        return datetime.fromisoformat(str(line.get("at", ""))).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _read_from(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read(1024 * 1024)
    except FileNotFoundError:
        return b""


def _end(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0
