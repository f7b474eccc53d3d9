"""An agent's machine in a process of its own: it brings one package from a served hub into its slot, and tells how."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from edgewright.agent.disk import Settings, Writer
from edgewright.agent.install import start_patch
from edgewright.agent.machine import Equipment, Machine
from edgewright.agent.states import Step
from edgewright.agent.system import facts
from edgewright.agent.trial import TrialWorkers
from edgewright.contract import manifest as manifests
from edgewright.contract.order import Install
from scenes.lines import line, load_key, peak_mib


def main() -> None:
    """Arguments: the agent's folder, the hub's address, the device's key and id, the manifest's digest."""
    root, url, key, device, sha256 = sys.argv[1:]
    source = line(url, load_key(key), device)
    with source.body(sha256, 0) as chunks:
        data = b"".join(chunks)
    manifest = manifests.decode(data)
    machine = Machine(manifest.model, _equipment(Path(root), source))
    install = Install(
        deployment="d1",
        model=manifest.model,
        version=manifest.version,
        counter=manifest.counter,
        target_path=f"{manifest.model}/{manifest.counter}/{manifest.target}.json",
        manifest_sha256=sha256,
        fetches=(),
    )
    began = time.monotonic()
    machine.offer(install, manifest, data)
    fetched = _until(machine, Step.STAGE)
    staged = _until(machine, Step.TRIAL)
    print(  # noqa: T201
        json.dumps(
            {
                "fetch_s": round(fetched - began, 2),
                "stage_s": round(staged - fetched, 2),
                "peak_mib": peak_mib(os.getpid()),
            }
        )
    )


def _until(machine: Machine, step: Step) -> float:
    while machine.record.step is not step:
        if not machine.step() and machine.is_idle:
            raise SystemExit(f"the install ended: {machine.record}")
    return time.monotonic()


def _equipment(root: Path, source: object) -> Equipment:
    root.mkdir(parents=True, exist_ok=True)
    return Equipment(
        root=root,
        settings=Settings(),
        source=source,
        patch=start_patch,
        trials=TrialWorkers(),
        reports=Writer(root / "spool", "agent"),
        measure=lambda: facts.measure(root),
        clock=time.time,
        monotonic=time.monotonic,
        is_pausing=lambda: False,
    )


if __name__ == "__main__":
    main()
