"""A device in a test that measures: the real benches, book and spool on a real folder; hub and worker from memory."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Sequence
from pathlib import Path

import msgspec
from device import NOW, Releases, Shelf, Verdicts, patch

from edgewright.agent.bench import Benches
from edgewright.agent.disk.settings import Settings
from edgewright.agent.disk.spool import Spool, Writer
from edgewright.agent.install.download import Spoilt
from edgewright.agent.link import Leave
from edgewright.agent.machine import Equipment
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Bench
from edgewright.contract.report import BenchReport, Capabilities, Conditions

HOT = Conditions(load=1.5, temperature_c=61.0)


def bench_of(releases: Releases, counter: int = 1, *, request: str = "b1", **changes) -> tuple[Bench, Manifest, bytes]:
    """What orders release `counter` to be measured; `changes` are fields of the manifest."""
    install, manifest, data = releases.install(counter, of=changes)
    facts = {name: getattr(install, name) for name in ("model", "version", "counter", "target_path", "fetches")}
    bench = Bench(request=request, manifest_sha256=install.manifest_sha256, calls=100, expires_at=NOW + 3600.0, **facts)
    return bench, manifest, data


class Bencher:
    """Boots on construction, as after a cut of the power; `settle` lets it do all that it can do now."""

    def __init__(self, root: Path, shelf: Shelf, trials: Verdicts | None = None, **facts) -> None:
        self.root = root
        self.trials = trials or Verdicts()
        self.now = 0.0
        self.leave = Leave(is_given=True)
        self.available_bytes: int | None = None
        self.known: dict[str, tuple[Manifest, bytes]] = {}
        machine = {"arch": "x86_64", "cores": 1, "ram_bytes": 1000, "disk_free_bytes": 10**9}
        machine |= {"runtimes": {"onnxruntime": "1.23.2"}, "agent_version": "0"}
        self.equipment = Equipment(
            root=root,
            settings=facts.pop("settings", Settings()),
            source=shelf,
            patch=patch,
            trials=self.trials,
            reports=Writer(root / "spool", "agent"),
            measure=lambda: Capabilities(**{**machine, **facts}),
            clock=lambda: NOW + self.now,
            monotonic=lambda: self.now,
            is_pausing=lambda: False,
            may_switch=lambda _: self.leave,
        )
        self.benches = Benches(
            self.equipment,
            lambda bench: self.known[bench.manifest_sha256],
            self.trials,
            available=lambda: self.available_bytes,
            look=lambda: HOT,
        )
        weakref.finalize(self, self.equipment.reports.close)

    def order(self, *offers: tuple[Bench, Manifest, bytes]) -> Bencher:
        self.known |= {bench.manifest_sha256: (manifest, data) for bench, manifest, data in offers}
        self.benches.follow([bench for bench, _, _ in offers])
        return self

    def settle(self) -> Bencher:
        for _ in range(100):
            if self.benches.is_idle:
                return self
            with contextlib.suppress(Spoilt):
                self.benches.step()
        raise AssertionError("it does not come to an end")

    def told(self) -> list[BenchReport]:
        return bench_reports(self.root)

    def left(self) -> list[str]:
        """Files that benches have left, beside the book."""
        folder = self.root / "benches"
        files = (path for path in folder.rglob("*") if path.is_file() and path.name != "book.json")
        return sorted(str(path.relative_to(folder)) for path in files)


def bench_reports(root: Path) -> list[BenchReport]:
    """The reports of benches that wait in the spool."""
    entries: Sequence = Spool(root / "spool").pending(100, 10**6)
    return [entry.record for entry in entries if isinstance(entry.record, BenchReport)]


def later(bench: Bench, **changes) -> Bench:
    return msgspec.structs.replace(bench, **changes)
