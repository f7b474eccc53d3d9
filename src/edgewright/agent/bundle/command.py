"""`edgewright-agent bundle import`: wires one import, by itself or in the running agent, and tells how it ended."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgewright.agent.bundle.belief import Reader
from edgewright.agent.bundle.carry import Carry, Ending
from edgewright.agent.bundle.folder import BundleFolder
from edgewright.agent.bundle.preview import Foreseen, preview
from edgewright.agent.disk import FileStore, Floors, Identity, NotEnrolled, Settings, Writer, load_identity, settings
from edgewright.agent.install import start_patch
from edgewright.agent.link import SignedTime, device_time, refresh
from edgewright.agent.machine import Equipment, Machine
from edgewright.agent.system import Stop, facts, logs
from edgewright.agent.trial import TrialWorkers
from edgewright.contract.report import Outcome


def import_alone(folder: Path, root: Path) -> list[Ending]:
    """Install what the bundle holds for this device, where no agent works on its folder."""
    bundle, identity, kept, signed_time = _open(folder, root)
    stop = Stop()
    stop.listen()
    logs.start(root / "logs", kept.log_max_bytes)
    equipment = Equipment(
        root=root,
        settings=kept,
        source=bundle,
        patch=start_patch,
        trials=TrialWorkers(),
        reports=Writer(root / "spool", "agent", kept.spool_max_bytes),
        measure=lambda: facts.measure(root, kept.hardware_ids, kept.time_zone),
        clock=signed_time.now,
        monotonic=time.monotonic,
        is_pausing=lambda: stop.is_requested,
        latest=lambda: signed_time.latest(kept.skew_s),
    )
    machine_of = functools.cache(lambda model: Machine(model, equipment))
    reader = Reader(bundle, repository(root, bundle), identity, kept, signed_time)
    return Carry(reader, machine_of=machine_of, models=_models(root), wait=stop.wait).run()


def foresee(folder: Path, root: Path) -> list[Foreseen]:
    """What an import would do; changes nothing, and disturbs no agent."""
    bundle, identity, kept, signed_time = _open(folder, root)
    return preview(bundle, root, identity, kept, signed_time, facts.measure(root, kept.hardware_ids, kept.time_zone))


def repository(root: Path, bundle: BundleFolder, floors: Floors | None = None) -> refresh.Repository:
    """The device's metadata, brought up to date from the bundle."""
    return refresh.Repository(FileStore(root / "tuf"), bundle.tuf, floors or Floors(root))


def tell_endings(endings: Sequence[Ending], *, as_json: bool) -> int:
    """Say how each install ended; 0 if all of it is active now, else 1."""
    _tell(endings, as_json, lambda ending: f"{ending.model} release {ending.counter}: {_what(ending)}")
    return 0 if all(ending.outcome in ("", Outcome.COMMITTED) and not ending.reason for ending in endings) else 1


def tell_foreseen(foreseen: Sequence[Foreseen], *, as_json: bool) -> int:
    """Say what would happen; 0 if nothing stands against it, else 1."""
    _tell(foreseen, as_json, _line)
    return 0 if all(one.would in ("install", "nothing") for one in foreseen) else 1


def _line(one: Foreseen) -> str:
    why = f": {one.reason}" if one.reason else f", reading {one.read_bytes} bytes"
    would = {"install": "would install", "nothing": "nothing to do for", "refuse": "would refuse"}
    return f"{would.get(one.would, 'cannot install')} {one.model} release {one.counter}{why}"


def _what(ending: Ending) -> str:
    what = ending.outcome or ("not done yet" if ending.reason else "nothing to do: it has ended before")
    return what + (f": {ending.reason}" if ending.reason else "")


def _tell(found: Sequence[Ending] | Sequence[Foreseen], as_json: bool, line: Callable[..., str]) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{line(one)}\n" for one in found) or "the bundle asks nothing of this device\n")


def _open(folder: Path, root: Path) -> tuple[BundleFolder, Identity, Settings, SignedTime]:
    bundle, identity = BundleFolder(folder), load_identity(root)
    if identity is None:
        raise NotEnrolled(f"{root} holds no identity", field="dir")
    return bundle, identity, settings.load(root), device_time(root)


def _models(root: Path) -> list[str]:
    folder = root / "models"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
