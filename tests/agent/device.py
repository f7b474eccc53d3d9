"""A device in a test: the real machine, record, slots and spool on a real folder; hub and worker answer from memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from edgewright.agent.disk.settings import Settings
from edgewright.agent.disk.slots import ModelFolder
from edgewright.agent.disk.spool import Spool, Writer
from edgewright.agent.install.download import Spoilt
from edgewright.agent.machine import Equipment, Machine
from edgewright.agent.states import ModelRecord
from edgewright.agent.trial.lines import BenchResult, Line, ShadowDone, ShadowReady, TrialResult
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput, NotFound, Unreachable
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.order import Fetch, Install, Shadow
from edgewright.contract.report import Capabilities, GoldenResult, InstallReport, ShadowResult
from edgewright.contract.tensors import Contract

NOW = 1_800_000_000.0
SHADOW = Shadow(min_requests=10, min_agreement=0.9, max_wait_s=5.0)
AGREEING = ShadowResult(requests=20, agreement=1.0, score_shift=0.0, latency_ratio=1.0)
GOOD = (TrialResult(ok=True, latency_p50_ms=1.0), ShadowReady(), ShadowDone(ok=True, shadow=AGREEING))
MEASURED = BenchResult(
    ok=True,
    golden=GoldenResult(passed=True, max_error=0.0, argmax_agreement=1.0),
    latency_p50_ms=1.0,
    latency_p95_ms=2.0,
    latency_p99_ms=3.0,
    memory_bytes=5,
    load_s=0.5,
    calls=100,
    runtime="onnxruntime",
    runtime_version="1.23.2",
    provider="CPUExecutionProvider",
)
BAD = (TrialResult(ok=False, reason="golden outputs differ"),)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Shelf:
    """The hub's blobs, in memory."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.breaks_after: int | None = None
        self.chunk_bytes = 700

    def add(self, data: bytes) -> str:
        self.blobs[sha256(data)] = data
        return sha256(data)

    @contextlib.contextmanager
    def body(self, digest: str, offset: int) -> Iterator[Iterator[bytes]]:
        self.asked.append((digest, offset))
        if digest not in self.blobs:
            raise NotFound(f"no blob {digest}")
        yield self._chunks(self.blobs[digest][offset:])

    def disown(self, sha256: str) -> bool:
        return False

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        sent = 0
        for start in range(0, len(data), self.chunk_bytes):
            if self.breaks_after is not None and sent >= self.breaks_after:
                raise Unreachable("the cable was pulled")
            chunk = data[start : start + self.chunk_bytes]
            sent += len(chunk)
            yield chunk


class Verdicts:
    """Workers that say what they were told to say: a line at a time, or all at once."""

    def __init__(self, *lines: Line, ending: str = "", is_hasty: bool = False) -> None:
        self.script = lines
        self.is_hasty = is_hasty
        self.final = ending
        self.started = 0
        self.measured: tuple[Line, ...] = (MEASURED,)

    def start(self, slot: Path, active: Path | None, shadow: Shadow | None, socket: Path) -> Verdicts._One:
        self.started += 1
        is_there = (slot / "manifest.json").exists()
        script = list(self.script) if is_there else [TrialResult(ok=False, reason="empty")]
        return self._One(script, self.final, self.is_hasty)

    def measure(self, place: Path, manifest_sha256: str, calls: int) -> Verdicts._One:
        self.started += 1
        script = list(self.measured) if (place / "manifest.json").exists() else []
        return self._One(script, self.final, self.is_hasty)

    class _One:
        def __init__(self, script: list[Line], final: str, is_hasty: bool) -> None:
            self.script, self.final, self.is_hasty = script, final, is_hasty

        def lines(self) -> list[Line]:
            count = len(self.script) if self.is_hasty else 1
            said, self.script = self.script[:count], self.script[count:]
            return said

        def ending(self) -> str:
            return self.final if not self.script else ""

        def waits_on(self) -> tuple[int, ...]:
            return ()

        def kill(self) -> None:
            self.script = []


class Applied:
    """A delta that was applied before anybody asked; one that is broken says so when asked."""

    def __init__(self, is_broken: bool) -> None:
        self._is_broken = is_broken

    def is_done(self) -> bool:
        if self._is_broken:
            raise HostileInput("not a delta")
        return True

    def waits_on(self) -> tuple[int, ...]:
        return ()

    def kill(self) -> None:
        pass


def patch(base: Path, delta: Path, result: Path, max_bytes: int) -> Applied:
    """The simplest of deltas: the base with something put behind it."""
    if delta.read_bytes() == b"broken":
        return Applied(is_broken=True)
    fd = os.open(result, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)  # and no sync: that is the supervisor's part
    os.write(fd, base.read_bytes() + delta.read_bytes())
    os.close(fd)
    return Applied(is_broken=False)


class Releases:
    """Packages of `digits`: release n is release n - 1 with more behind it, so that a delta exists."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def files(self, counter: int) -> dict[str, bytes]:
        model = b"".join(bytes([part]) * 900 for part in range(1, counter + 1))
        return {"model.onnx": model, "golden.safetensors": b"golden" * 40, "reference.bin": b"r%d" % counter * 100}

    def manifest(self, counter: int, **changes) -> Manifest:
        roles = {"model.onnx": Role.MODEL, "golden.safetensors": Role.GOLDEN, "reference.bin": Role.REFERENCE}
        files = tuple(
            File(name=name, role=roles[name], sha256=self.shelf.add(data), size_bytes=len(data))
            for name, data in self.files(counter).items()
        )
        facts = {
            "model": "digits",
            "version": counter,
            "counter": counter,
            "target": "cpu",
            "hardware": ("x86_64",),
            "runtime": Runtime(name="onnxruntime", minimum="1.17", below="2"),
            "files": files,
            "contract": Contract(inputs=(), outputs=()),
            "budgets": Budgets(latency_p95_ms=50.0, memory_bytes=1),
            "tolerance": Tolerance(rtol=0.0, atol=0.0, min_argmax_agreement=1.0),
            "recipe": (),
            "lineage_sha256": "0" * 64,
        }
        return Manifest(**{**facts, **changes})

    def install(
        self, counter: int, *, delta: bytes | None = None, of=None, **changes
    ) -> tuple[Install, Manifest, bytes]:
        manifest = self.manifest(counter, **(of or {}))
        data = manifests.encode(manifest)
        self.shelf.add(data)
        before, after = self.files(counter - 1)["model.onnx"], self.files(counter)["model.onnx"]
        delta = after[len(before) :] if delta is None else delta
        fetch = Fetch(
            result_sha256=sha256(after),
            result_bytes=len(after),
            sha256=self.shelf.add(delta),
            size_bytes=len(delta),
            base_sha256=sha256(before),
        )
        facts = {
            "deployment": f"d{counter}",
            "model": "digits",
            "version": counter,
            "counter": counter,
            "target_path": f"digits/{counter}/cpu.json",
            "manifest_sha256": manifests.digest(data),
            "fetches": (fetch,),
            "shadow": SHADOW,
        }
        return Install(**{**facts, **changes}), manifest, data


class Device:
    """Boots on construction, as after a cut of the power; `settle` drives it until nothing is left to do."""

    def __init__(self, root: Path, shelf: Shelf, trials: Verdicts | None = None, **facts) -> None:
        """`facts` are the machine's, or what its Equipment has beside."""
        self.root = root
        self.trials = trials or Verdicts(*GOOD)
        self.now = 0.0
        self.is_pausing = False
        known = {
            "arch": "x86_64",
            "cores": 1,
            "ram_bytes": 1,
            "disk_free_bytes": 10**9,
            "runtimes": {"onnxruntime": "1.23.2"},
            "agent_version": "0",
        }
        shared = {name: facts.pop(name) for name in Equipment.__dataclass_fields__ if name in facts}
        equipment = Equipment(
            root=root,
            settings=shared.pop("settings", Settings()),
            source=shelf,
            patch=shared.pop("patch", patch),
            trials=self.trials,
            reports=Writer(root / "spool", "agent"),
            measure=lambda: Capabilities(**{**known, **facts}),
            clock=shared.pop("clock", lambda: NOW),
            monotonic=lambda: self.now,
            is_pausing=lambda: self.is_pausing,
            **{"boot": "boot1", "uptime_s": lambda: self.now, **shared},
        )
        self.machine = Machine("digits", equipment)
        weakref.finalize(self, equipment.reports.close)  # a power cut leaves no process whose end would

    def take(self, offer: tuple[Install, Manifest, bytes]) -> Device:
        self.machine.offer(*offer)
        return self.settle()

    def settle(self) -> Device:
        for _ in range(200):
            if self.machine.is_idle:
                return self
            with contextlib.suppress(Spoilt):
                self.machine.step()
        raise AssertionError(f"stuck in {self.machine.record.step}")

    @property
    def record(self) -> ModelRecord:
        return self.machine.record


def reports(root: Path) -> list[InstallReport]:
    """The install reports that wait in the spool."""
    return [
        entry.record for entry in Spool(root / "spool").pending(100, 10**6) if isinstance(entry.record, InstallReport)
    ]


def serving_counter(root: Path) -> int:
    """What an app would load, going by what is on the disk now and nothing else; 0 if there is nothing that works."""
    folder = ModelFolder(root / "models" / "digits", "digits")
    record, _ = folder.load()
    held = record.slots.get(record.active)
    return held.counter if held and folder.verifies(record.active, held.manifest_sha256) else 0
