"""Installs toolchains so that a half-made one never counts: made under a hidden name, checked, then renamed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgewright.contract.errors import InvalidInput, NotFound, Refused
from edgewright.hub.optimize.toolchains.model import Installation, Tell, Toolchain
from edgewright.hub.optimize.toolchains.pinned import TAIL_CHARS, size_bytes

RECORD = "toolchain.json"
MARGIN_BYTES = 100_000_000
CHECK_TIMEOUT_S = 120.0


class ToolchainFails(Refused):
    code = "toolchain_fails"
    hint = "Nothing was installed. Try again; where it fails again, report what it said."


class NoRoom(Refused):
    code = "no_room"
    hint = "Make room, or set EDGEWRIGHT_TOOLCHAINS to a folder on another disk."


def installations(folder: Path, known: Mapping[str, Toolchain]) -> list[Installation]:
    """Every known toolchain with its state in `folder`, by name."""
    return [_installation(folder, known[name]) for name in sorted(known)]


def make(toolchain: Toolchain, folder: Path, tell: Tell, *, dry_run: bool = False) -> Installation:
    """Install it in `folder`, in place of one with other versions; one that is whole and up to date is left alone.

    Raises NoRoom, ToolchainFails, or what its build raises; then nothing has changed.
    """
    there = _installation(folder, toolchain)
    if there.state == "installed" or dry_run:
        return there
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(toolchain, folder)
    with tempfile.TemporaryDirectory(prefix=f".{toolchain.name}-", dir=folder) as made_in:
        work = Path(made_in) / toolchain.name
        work.mkdir()
        toolchain.build(work, lambda done, total: tell(done, max(total or toolchain.needs_bytes, done)))
        _check(toolchain, work)
        record = msgspec.structs.replace(there, state="installed", size_bytes=size_bytes(work), python="")
        (work / RECORD).write_bytes(msgspec.json.encode(record))
        place = folder / toolchain.name
        if place.exists():
            place.rename(Path(made_in) / "old")
        work.rename(place)
    return _installation(folder, toolchain)


def remove(name: str, folder: Path, *, dry_run: bool = False) -> Path:
    """Remove one, whole or not; raises InvalidInput for what is no name, and NotFound where there is none."""
    place = folder / name
    if not name or name.startswith(".") or "/" in name or place.parent != folder:
        raise InvalidInput(f"'{name[:80]}' is no toolchain's name", field="name")
    if not (place / "bin" / "python").exists() and not (place / RECORD).exists():
        raise NotFound(f"no toolchain '{name[:80]}' is installed in {folder}", field="name")
    if not dry_run:
        gone = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
        place.rename(gone / name)
        shutil.rmtree(gone)
    return place


def _installation(folder: Path, toolchain: Toolchain) -> Installation:
    python = folder / toolchain.name / "bin" / "python"
    found = _read(folder / toolchain.name / RECORD) if python.exists() else None
    is_same = found is not None and found.versions == dict(toolchain.versions)
    return Installation(
        name=toolchain.name,
        title=toolchain.title,
        state="none" if found is None else "installed" if is_same else "outdated",
        size_bytes=toolchain.needs_bytes if found is None else found.size_bytes,
        versions=dict(toolchain.versions),
        python="" if found is None else str(python.absolute()),
    )


def _read(path: Path) -> Installation | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Installation)
    except (OSError, msgspec.MsgspecError):
        return None


def _check_room(toolchain: Toolchain, folder: Path) -> None:
    needed_bytes = toolchain.needs_bytes + MARGIN_BYTES
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        message = f"{toolchain.name} takes {needed_bytes / 1e9:.1f} GB, and {folder} has {free_bytes / 1e9:.1f} GB free"
        raise NoRoom(message, field="name")


def _check(toolchain: Toolchain, work: Path) -> None:
    argv = [str(work / "bin" / "python"), *toolchain.check]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainFails(f"{toolchain.name} does not work: {error}") from error
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-TAIL_CHARS:]
        raise ToolchainFails(f"{toolchain.name} does not work: its check ended with {done.returncode}: {said}")
