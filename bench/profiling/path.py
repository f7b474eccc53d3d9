"""The path that every request of a device goes through once it is answered: a recorder over a real spool."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgewright.agent.disk import Writer
from edgewright.agent.serve.learning.accounts import Accounts
from edgewright.agent.serve.learning.outbox import Outbox
from edgewright.agent.serve.learning.recorder import Recorder, Source
from edgewright.contract.manifest import Budgets, Manifest, Runtime, Tolerance
from edgewright.contract.profile import Schema

ROUNDS = 7


class Requests(NamedTuple):
    """Inputs and outputs, one row each, no two alike."""

    batches: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


def device_path_us(root: Path, schema: Schema, requests: Requests) -> float:
    """CPU microseconds for each request, with the window closed and packed at the end of each round; the best one."""
    outbox = Outbox(Writer(root / "spool", "bench"), "bench", time.time)
    recorder = Recorder(outbox, "bench", time.time, Accounts(root, "bench"))
    source, best = Source(_manifest(schema), schema), float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for inputs, outputs in requests.batches:
            recorder.count(source, inputs, outputs, 0.001)
        recorder.close_window()
        best = min(best, time.process_time() - started)
    outbox.close()
    if recorder.failures:
        raise RuntimeError("requests were not counted")
    return best / len(requests.batches) * 1e6


def _manifest(schema: Schema) -> Manifest:
    return Manifest(
        model=schema.model,
        version=schema.version,
        counter=1,
        target="bench",
        hardware=(),
        runtime=Runtime(name="onnxruntime", minimum="1.0", below=""),
        files=(),
        contract=schema.contract,
        budgets=Budgets(latency_p95_ms=1.0, memory_bytes=1),
        tolerance=Tolerance(rtol=0.0, atol=0.0, min_argmax_agreement=0.0),
        recipe=(),
        lineage_sha256="0" * 64,
    )
