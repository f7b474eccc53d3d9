"""Observation on a real SQLite file, and devices that send real profiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from securesystemslib.signer import CryptoSigner

from edgewright.contract.profile import Profile, Schema, build_schema, encode_schema
from edgewright.contract.report import ProfileWindow
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.events import Event, Events
from edgewright.hub.govern import Audit
from edgewright.hub.observe import Alerts, Observe
from edgewright.hub.observe.detectors import detector
from edgewright.hub.observe.windows import Lenses
from scenes.databases import new_database

SPEC = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 3), names=("heat", "flow", "hum"))
CONTRACT = Contract(inputs=(SPEC,), outputs=())
START = 1_800_000_000.0


class Line:
    """A plant: devices that see rows and send windows of a minute, and the hub's observation of them."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.random = np.random.default_rng(0)
        self.learn(self.random.normal(size=(1300, 3)))
        self.db = new_database(folder)
        self.events = Events(self.db, self._clock)
        self.audit = Audit(self.db, self._clock, CryptoSigner.generate_ed25519())
        self.heard: list[Event] = []
        for kind in ("windows", "window_refused", "alert", "alert_worse", "alert_woken", "alert_resolved"):
            self.events.subscribe(f"observe.{kind}", self.heard.append)
        self.alerts = Alerts(self.db, self.events, self.audit, self._clock)
        self.sites: dict[str, str] = {}
        self.observe = self.watch("data-drift")
        self._sent = 0

    def learn(self, rows: np.ndarray) -> None:
        """Version 1 was trained on these rows (n, 3)."""
        self.schema: Schema = build_schema(CONTRACT, "press", 1, {"x": rows}, {})

    def watch(self, *names: str) -> Observe:
        """The hub's observation with these detectors, as after a start."""
        lenses = Lenses(self._schema_of)
        watching = {name: detector(name) for name in names}
        return Observe(self.db, self.events, self._clock, self.alerts, lenses, watching, cohorts_of=self._cohorts_of)

    def window(self, *, shift: float = 0.0, rows: int = 60, seconds: float = 60.0) -> ProfileWindow:
        """A window that ends now; `shift` is added to 'flow'."""
        batch = self.random.normal(size=(rows, 3))
        batch[:, 1] += shift
        seen = Profile(self.schema)
        seen.update({"x": batch}, {}, 0.001)
        self._sent += 1
        return ProfileWindow(
            id=f"app:{self._sent}",
            model="press",
            version=1,
            counter=1,
            schema_sha256=self.schema.sha256,
            start=self.now - seconds,
            end=self.now,
            rows=rows,
            payload=seen.to_bytes(),
        )

    def send(self, device: str, *windows: ProfileWindow) -> list[str]:
        with self.db.write() as connection:
            return self.observe.ingest(connection, device, windows)

    def minutes(self, count: int, shift_of: dict[str, float]) -> None:
        """Let time pass: every device sends a window a minute, and the hub looks each time."""
        for _ in range(count):
            self.now += 60
            for device, shift in shift_of.items():
                self.send(device, self.window(shift=shift))
            self.observe.detect("press", 1)

    def told(self, kind: str) -> list[Event]:
        self.events.deliver()
        return [event for event in self.heard if event.kind == kind]

    def _cohorts_of(self, devices: Sequence[str]) -> dict[str, list[str]]:
        return {device: [f"site={self.sites[device]}"] for device in devices if device in self.sites}

    def _clock(self) -> float:
        return self.now

    def _schema_of(self, model: str, version: int) -> bytes | None:
        return encode_schema(self.schema) if (model, version) == ("press", 1) else None


@pytest.fixture
def line(tmp_path) -> Iterator[Line]:
    line = Line(tmp_path)
    yield line
    line.db.close()
