"""Which runtimes this machine has and what they compute with: found by probes, remembered until something changes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from edgewright import __version__, plugins
from edgewright.agent.runtimes import GROUP, probe
from edgewright.agent.runtimes.probe import Probed
from edgewright.agent.system import logs
from edgewright.agent.system.children import start_bound
from edgewright.agent.system.limits import Limits
from edgewright.contract.errors import HostileInput
from edgewright.contract.whole import write_whole

NAME = "runtimes.json"
MAX_PROBE_S = 120.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NICE = 10


class Remembered(msgspec.Struct, frozen=True):
    """What probes found where the machine was as `key` says."""

    key: str
    found: dict[str, Probed]


def find_runtimes(folder: Path) -> dict[str, Probed]:
    """The installed runtimes by name. The first call after a boot or an installation takes seconds."""
    key = _key()
    found = _recall(folder / NAME, key)
    if found is None:
        probed = {name: _probe(name) for name in plugins.names(GROUP)}
        found = {name: one for name, one in probed.items() if one is not None}
        if len(found) == len(probed):  # what crashed may have lacked memory for once: it is asked again
            _remember(folder / NAME, Remembered(key, found))
    return {name: one for name, one in found.items() if one.version}


def remembered_versions(folder: Path) -> dict[str, str]:
    """What `find_runtimes` found last, by name, without a probe: nothing where none was or the machine has changed."""
    found = _recall(folder / NAME, _key()) or {}
    return {name: one.version for name, one in found.items() if one.version}


def _probe(name: str) -> Probed | None:
    """What the child said; None, with a line in the log, where it crashed."""
    child = start_bound([sys.executable, "-m", probe.__name__, name], limits=Limits(nice=_NICE))
    try:
        line, _ = child.communicate(timeout=MAX_PROBE_S)
        return probe.decode(line[: probe.MAX_LINE_BYTES])
    except (subprocess.TimeoutExpired, HostileInput) as error:
        child.kill()
        child.communicate()
        logs.warn("a runtime cannot be used", runtime=name, exit=child.returncode, reason=str(error))
        return None


def _recall(path: Path, key: str) -> dict[str, Probed] | None:
    try:
        remembered = msgspec.json.decode(path.read_bytes(), type=Remembered)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return remembered.found if remembered.key == key else None


def _remember(path: Path, remembered: Remembered) -> None:
    try:
        write_whole(path, msgspec.json.encode(remembered))
    except OSError as error:
        logs.warn("what runtimes there are cannot be remembered", reason=str(error))


def _key() -> str:
    """Changes with every distribution that comes, goes or changes its version, and with every boot (drivers, devices).

    The names of their folders (PyPA, 'Recording installed projects') tell name and version without opening any.
    """
    facts = [__version__, sys.version, *plugins.names(GROUP)]
    facts += [_read(_BOOT_ID)]
    for place in sys.path:
        facts += sorted(name for name in _names(place) if name.endswith((".dist-info", ".egg-info")))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _names(place: str) -> list[str]:
    try:
        return os.listdir(place) if place else []
    except OSError:  # an archive, or not there
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
