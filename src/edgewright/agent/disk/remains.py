"""What processes have left of their vitals that live no more, and which packages may have ended them.

How a process ended cannot be asked of one that is not our child. So an app's process lends its fault handler a file
beside its vitals (where it has no fault handler of its own): text in it proves that SIGSEGV, SIGABRT, SIGBUS, SIGFPE
or SIGILL ended the process, and not a person with `kill`.

Which ends count. Only those of apps, in this boot of the machine, while the package was at work.
- With the fault handler's text they count.
- Without (SIGKILL, by the kernel for want of memory or by a person; SIGTERM; an app with a fault handler of its own)
  they count while the package was loading or within its first ten requests: a person hardly meets that span
  three times a day, while a package that ends its app there does so every time.
- Where a process was loading one package while it used another, the one that was loading is to blame.
One end never condemns a package: whoever takes these counts them (`states.blame`).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edgewright.agent.disk.vitals import ASIDE_PREFIX, FAULT_PREFIX, Reading, parse, read_boot_id

MAX_FILES = 1000
FEW_REQUESTS = 10
ABANDONED_S = 60.0
_MAX_BYTES = 4096


class Dead(NamedTuple):
    """A package that was at work when the process of an app ended, as it may well have ended it."""

    model: str
    manifest_sha256: str
    reason: str


def find_dead(folder: Path, *, are_workers_gone: bool = False) -> list[Dead]:
    """Remove what dead processes have left in `folder`, and say which packages may have ended them.

    Files of workers are their supervisor's to judge, which knows how each ended; with `are_workers_gone`, at its
    start, they go too: those workers ended with the former supervisor.
    """
    readings, texts = [], {}
    for path in _paths(folder):
        data = _take(path, are_workers_gone)
        if path.name.startswith(FAULT_PREFIX):
            texts[path.name.removeprefix(FAULT_PREFIX)] = (data or b"").decode(errors="replace")
        elif data is not None and (reading := parse(data)) is not None:
            readings.append(reading)
    return judge(readings, texts, read_boot_id())


def judge(readings: Sequence[Reading], texts: Mapping[str, str], boot_id: bytes) -> list[Dead]:
    """Say which packages count as having ended their process; `texts` are the fault handler's, by process."""
    return [
        Dead(reading.model, reading.manifest_sha256, _reason(reading, texts.get(reading.token, "")))
        for reading in readings
        if not reading.is_worker
        and reading.boot_id == boot_id
        and reading.is_at_work
        and (reading.is_loading or not any(mate.is_loading for mate in readings if mate.token == reading.token))
        and (reading.is_loading or reading.requests < FEW_REQUESTS or texts.get(reading.token))
    ]


def _paths(folder: Path) -> list[Path]:
    """Vitals first, then texts of faults: those of a process that ends in between are left for the next time."""
    try:
        names = os.listdir(folder)[:MAX_FILES]
    except OSError:
        return []
    return [folder / name for name in sorted(names, key=lambda name: (name.startswith(FAULT_PREFIX), name))]


def _take(path: Path, are_workers_gone: bool) -> bytes | None:
    """The content of a file that nobody holds any more, which is removed; None where it stays."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.name.startswith(ASIDE_PREFIX) and time.time() - os.fstat(fd).st_mtime < ABANDONED_S:
            return None  # it is just being made
        data = os.read(fd, _MAX_BYTES)
        reading = parse(data)
        if reading is not None and reading.is_worker and not are_workers_gone:
            return None
        os.unlink(path)
    except OSError:
        return None
    finally:
        os.close(fd)
    return data


def _reason(reading: Reading, text: str) -> str:
    doing = "was loading it" if reading.is_loading else f"used it, after {reading.requests} requests"
    how = text.partition("\n")[0].removeprefix("Fatal Python error: ").strip()[:200]
    return f"an app's process {f'ended with {how}' if how else 'ended unasked'} while it {doing}"
