"""The fates of records: acknowledged, sent without an answer, given up. One file, replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.agent.disk.spool import frames
from edgewright.contract.report import Fault

NAME = "fates.bin"
DOUBTED = "doubted.bin"
"""Takes the place of fates.bin where there is no room for another: all that waits may have been sent."""


class Dropped(msgspec.Struct, frozen=True):
    """What gave way for want of room, since `since`. `rows` are those that the dropped windows had counted."""

    samples: int = 0
    windows: int = 0
    rows: int = 0
    since: float = 0.0
    faults: int = 0

    def fault(self, now: float) -> Fault:
        """The one fault that tells of it."""
        message = (
            f"the spool was full: {self.samples} samples and {self.windows} profile windows "
            f"of {self.rows} rows have given way"
        )
        message += f", and {self.faults} faults" if self.faults else ""
        return Fault(id=f"spool_dropped:{self.since}", at=now, code="spool_dropped", message=message)


class Fates(msgspec.Struct, kw_only=True):
    """`done` are offsets by segment; `doubted` ids of windows that were sent, and perhaps arrived: they must go as
    they are. `told` is what was said of drops and is not acknowledged yet. `generation` rises with each change."""

    format: int = 2
    generation: int = 0
    done: dict[str, set[int]] = {}
    doubted: set[str] = set()
    dropped: Dropped = Dropped()
    told: Fault | None = None
    is_lost: bool = False  # whatever waits may have been sent


def load(folder: Path) -> Fates:
    """What became of records so far: of none where nothing was ever written; nothing is sent before that is."""
    is_doubted = (folder / DOUBTED).exists()
    try:
        name = DOUBTED if is_doubted and not (folder / NAME).exists() else NAME
        fates = frames.disclose((folder / name).read_bytes(), Fates)
    except FileNotFoundError:
        fates = Fates()
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return Fates(is_lost=True)
    fates.is_lost = is_doubted
    return fates


def save(folder: Path, fates: Fates) -> None:
    """Keep them, one generation on."""
    fates.generation += 1
    durable.replace(folder / NAME, frames.enclose(msgspec.msgpack.encode(fates)))
    durable.remove(folder / DOUBTED)


def doubt_all(folder: Path) -> None:
    """Say, durably and without taking room, that whatever waits may have been sent. Raises OSError."""
    try:
        os.rename(folder / NAME, folder / DOUBTED)
    except FileNotFoundError:
        os.close(os.open(folder / DOUBTED, os.O_WRONLY | os.O_CREAT, 0o644))
    durable.sync_folder(folder)
