"""The child that measures one model file: `python -m edgewright.hub.optimize.measurer QUESTION`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime

from edgewright.hub.children import serve
from edgewright.hub.optimize import golden
from edgewright.hub.optimize.model import Figures, MeasureQuestion
from edgewright.hub.optimize.parity import predicted

WARM_UP_CALLS = 30
TIMED_CALLS = 250
ROWS_AT_ONCE = 256


def measure(asked: MeasureQuestion) -> Figures:
    """Do it."""
    with np.load(asked.holdout, allow_pickle=False) as arrays:
        inputs = {spec.name: arrays[spec.name].astype(spec.dtype.value) for spec in asked.contract.inputs}
        truth = arrays[asked.label_key]
    baseline_bytes = _peak_bytes()
    session = _load(asked.model)
    names = [spec.name for spec in asked.contract.outputs]
    latencies_ms = _time_single_rows(session, names, inputs)
    memory_bytes = _peak_bytes()
    outputs = _answer(session, names, inputs)
    if asked.outputs:
        np.savez(asked.outputs, allow_pickle=False, **outputs)
    if asked.golden:
        rows = golden.choose(len(truth))
        chosen = {name: array[rows] for name, array in inputs.items()}
        Path(asked.golden).write_bytes(golden.encode(chosen, _answer(session, names, chosen)))
    return Figures(
        accuracy=float(np.mean(predicted(asked.contract, outputs) == truth)),
        rows=len(truth),
        latency_p50_ms=float(np.percentile(latencies_ms, 50)),
        latency_p95_ms=float(np.percentile(latencies_ms, 95)),
        memory_bytes=memory_bytes,
        baseline_bytes=baseline_bytes,
    )


def _load(model: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _time_single_rows(
    session: onnxruntime.InferenceSession, names: list[str], inputs: dict[str, np.ndarray]
) -> np.ndarray:
    """Milliseconds of each call, over different rows, after a warm-up."""
    rows_at_once = _fixed_rows(session) or 1
    rows = len(next(iter(inputs.values()))) // rows_at_once
    calls = [
        {name: array[at * rows_at_once : (at + 1) * rows_at_once] for name, array in inputs.items()}
        for at in range(min(rows, TIMED_CALLS))
    ]
    taken_ns = []
    for number in range(WARM_UP_CALLS + TIMED_CALLS):
        feed = calls[number % len(calls)]
        start = time.perf_counter_ns()
        session.run(names, feed)
        taken_ns.append(time.perf_counter_ns() - start)
    return np.array(taken_ns[WARM_UP_CALLS:]) / 1e6


def _answer(
    session: onnxruntime.InferenceSession, names: list[str], inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    rows_at_once = _fixed_rows(session) or ROWS_AT_ONCE
    rows = len(next(iter(inputs.values())))
    parts = [
        session.run(names, {name: array[at : at + rows_at_once] for name, array in inputs.items()})
        for at in range(0, rows, rows_at_once)
    ]
    return {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)}


def _fixed_rows(session: onnxruntime.InferenceSession) -> int:
    """How many rows each call must have; 0 if any number."""
    first = [value.shape[0] for value in session.get_inputs() if value.shape]
    return next((axis for axis in first if isinstance(axis, int)), 0)


def _peak_bytes() -> int:
    """This process's peak resident memory. (ru_maxrss would count what its parent had before it became this.)"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    serve(measure, MeasureQuestion)
