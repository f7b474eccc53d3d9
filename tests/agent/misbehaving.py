"""Packages of the faulty runtime on a device's disk, and a keeper that turns its serving workers."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from on_disk import CONTRACT, ModelOnDisk, Trained
from serving import Answer, Client

from edgewright.agent.disk import Settings
from edgewright.agent.link import Chance
from edgewright.agent.states import Active, Crash
from edgewright.agent.system import Bell
from edgewright.agent.workers import Workers, WorkerState
from edgewright.contract.manifest import Budgets, Runtime

FAULTY = Path(__file__).parent / "faulty"
BUDGETS = Budgets(latency_p95_ms=10.0, memory_bytes=256 * 1024**2)
PATIENCE_S = 30.0

sys.path.append(str(FAULTY))
from edgewright_faulty import answers  # noqa: E402


def install(
    device: ModelOnDisk, slot: str, version: int, fault: str = "none", request: int = 0, load_s: float = 0.0
) -> Active:
    """Fill a slot with a model that misbehaves from that request on; what is active stays so."""
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    healthy = answers(image)
    told = json.dumps({"fault": fault, "request": request, "load_s": load_s}).encode()
    trained = Trained(told, image, healthy["label"], healthy["probabilities"])
    runtime = Runtime(name="faulty", minimum="1", below="2")
    device.pack(slot, trained, version, runtime=runtime, budgets=BUDGETS, contract=CONTRACT)
    held = device._slot_record(slot)
    assert held is not None
    return Active(slot=slot, manifest_sha256=held.manifest_sha256, version=version, counter=held.counter)


def see_faulty_runtime(monkeypatch: Any) -> None:
    """Make the plug-in visible to every process that this one starts."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAULTY), *filter(None, [os.environ.get("PYTHONPATH")])]))


class Keeping:
    """`Workers` on a thread of their own, turned as the keeper turns them."""

    def __init__(self, root: Path, *, luck: float = 0.05, **settings: Any) -> None:
        self.root = root
        self.turns = 0
        self.found: list[Crash] = []
        (root / "run").mkdir(parents=True, exist_ok=True)
        self.bell = Bell()
        chance = Chance(uniform=lambda low, high: low + luck * (high - low))
        self.workers = Workers(root, Settings(**settings), monotonic=time.monotonic, chance=chance, bell=self.bell)
        self._end, self._over = os.pipe()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Keeping:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._over)
        self._thread.join()

    def follow(self, model: str, active: Active | None, spare: Active | None = None, priority: int = 0) -> None:
        self.workers.follow(model, active, spare, priority)

    def state(self, model: str = "digits") -> WorkerState | None:
        return next((state for state in self.workers.states() if state.model == model), None)

    def crashes(self) -> list[Crash]:
        self.found += self.workers.crashes()
        return self.found

    def wait_for(self, holds: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, (self.workers.states(), self.crashes())
            assert self._thread.is_alive()
            time.sleep(0.01)

    def wait_for_phase(self, phase: str, model: str = "digits") -> WorkerState:
        self.wait_for(lambda: (state := self.state(model)) is not None and state.phase == phase)
        state = self.state(model)
        assert state is not None
        return state

    def client(self, model: str = "digits") -> Client:
        path = self.root / "run" / f"{model}.sock"
        self.wait_for(path.exists)
        return Client(path)

    def infer(self, model: str = "digits") -> Answer:
        """One request on a connection of its own."""
        client = self.client(model)
        try:
            return client.ask("POST", f"/v2/models/{model}/infer", REQUEST)
        finally:
            client.close()

    def _run(self) -> None:
        try:
            while True:
                wait_s = self.workers.turn()
                self.turns += 1
                poll = select.poll()
                for fd in (self._end, *self.workers.waits_on()):
                    poll.register(fd, select.POLLIN)
                if self._end in dict(poll.poll(min(wait_s, 60.0) * 1000)):
                    return
        finally:
            self.workers.close()


REQUEST = {"inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP32", "data": [[0.5] * 64]}]}
