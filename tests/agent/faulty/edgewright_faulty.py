"""A runtime whose models misbehave as their file says: `{"fault": "segfault", "request": 1000}`.

It is a distribution of its own: whoever has this folder on PYTHONPATH has the plug-in `faulty`.
"""

from __future__ import annotations

import ctypes
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

LOAD = -1  # the number of the request that is none
LEAK_BYTES = 64 * 1024 * 1024
HANG_S = 3600.0
SLOW_S = 0.02


def answers(image: np.ndarray) -> dict[str, np.ndarray]:
    """What a healthy model of this runtime says."""
    scores = image[:, :10] + np.float32(0.01)
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return {"label": probabilities.argmax(axis=1).astype(np.int64), "probabilities": probabilities}


class FaultySession:
    """A loaded model that behaves until the request that its file names (from 0 on), and misbehaves from it on."""

    input_names = ("image",)
    output_names = ("label", "probabilities")
    fixed_rows = 0

    def __init__(self, fault: str, request: int) -> None:
        self._fault = getattr(self, f"_{fault}")
        self._request = request
        self._seen = 0
        self._leaked: list[bytes] = []

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        number, self._seen = self._seen, self._seen + 1
        outputs = answers(feeds["image"])
        return (self._fault(outputs) or outputs) if number >= self._request else outputs

    def _none(self, outputs: dict[str, np.ndarray]) -> None:
        pass

    def _segfault(self, outputs: dict[str, np.ndarray]) -> None:
        ctypes.string_at(0)

    def _exit(self, outputs: dict[str, np.ndarray]) -> None:
        os._exit(3)

    def _leak(self, outputs: dict[str, np.ndarray]) -> None:
        self._leaked.append(os.urandom(1024) * (LEAK_BYTES // 1024))

    def _hang(self, outputs: dict[str, np.ndarray]) -> None:
        time.sleep(HANG_S)

    def _spin(self, outputs: dict[str, np.ndarray]) -> None:
        if not self._leaked:
            self._leaked.append(b"spins")
            threading.Thread(target=_burn, daemon=True).start()

    def _slow(self, outputs: dict[str, np.ndarray]) -> None:
        time.sleep(SLOW_S)

    def _nan(self, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**outputs, "probabilities": np.full_like(outputs["probabilities"], np.nan)}

    def _wrong(self, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        turned = np.roll(outputs["probabilities"], 3, axis=1)
        return {"label": turned.argmax(axis=1).astype(np.int64), "probabilities": turned}


class FaultyRuntime:
    """Loads `{"fault", "request", "load_s"}`."""

    version = "1.0"
    providers = ("CPUExecutionProvider",)

    def load(self, path: Path, provider: str) -> FaultySession:
        told = json.loads(path.read_text())
        time.sleep(told.get("load_s", 0.0))
        session = FaultySession(told["fault"], told["request"])
        if told["request"] == LOAD:
            session._fault({})
        return session


def _burn() -> None:
    number = 0
    while True:
        number += 1
