"""`edgewright-agent bundle import`: wires one import, and tells how it ended."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.agent.bundle.carry import Carry, Ending
from edgewright.agent.bundle.folder import BundleFolder
from edgewright.agent.disk import NotEnrolled, Writer, load_identity, settings
from edgewright.agent.install import apply_delta
from edgewright.agent.link import SignedTime
from edgewright.agent.machine import Equipment
from edgewright.agent.system import Stop, facts, logs
from edgewright.agent.trial import TrialWorkers
from edgewright.contract.report import Outcome


def import_bundle(chosen: argparse.Namespace, root: Path) -> int:
    """Install what the bundle holds for this device; 0 if all of it is active now, else 1."""
    bundle = BundleFolder(chosen.bundle)
    identity = load_identity(root)
    if identity is None:
        raise NotEnrolled(f"{root} holds no identity", field="dir")
    stop = Stop()
    stop.listen()
    logs.start()
    kept = settings.load(root)
    signed_time = SignedTime(root, time.time, time.monotonic)
    equipment = Equipment(
        root=root,
        settings=kept,
        source=bundle,
        patch=apply_delta,
        trials=TrialWorkers(),
        reports=Writer(root / "spool", "agent", kept.spool_max_bytes),
        measure=lambda: facts.measure(root, kept.hardware_ids),
        clock=signed_time.now,
        monotonic=time.monotonic,
        is_pausing=lambda: stop.is_requested,
    )
    endings = Carry(bundle, root, identity, kept, signed_time, equipment, stop.wait).run()
    _tell(endings, as_json=chosen.json)
    return 0 if all(ending.outcome in ("", Outcome.COMMITTED) and not ending.reason for ending in endings) else 1


def _tell(endings: Sequence[Ending], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(endings).decode() + "\n")
        return
    for ending in endings:
        what = ending.outcome or ("not done yet" if ending.reason else "nothing to do: it has ended before")
        why = f": {ending.reason}" if ending.reason else ""
        sys.stdout.write(f"{ending.model} release {ending.counter}: {what}{why}\n")
    if not endings:
        sys.stdout.write("the bundle asks nothing of this device\n")
