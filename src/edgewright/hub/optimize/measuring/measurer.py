"""The child that measures one model file: `python -m edgewright.hub.optimize.measuring.measurer QUESTION`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edgewright.hub.children import serve
from edgewright.hub.optimize.measuring import golden
from edgewright.hub.optimize.measuring.parity import predicted
from edgewright.hub.optimize.model import Figures, MeasureQuestion
from edgewright.hub.registry.runner import Arrays, Runner, inputs_of

WARM_UP_CALLS = 30
TIMED_CALLS = 250


def measure(asked: MeasureQuestion) -> Figures:
    """Do it."""
    with np.load(asked.holdout, allow_pickle=False) as arrays:
        inputs = inputs_of(arrays, asked.contract)
        truth = arrays[asked.label_key]
    baseline_bytes = _peak_bytes()
    runner = Runner(asked.model, asked.contract, asked.tables)
    latencies_ms = _time_single_rows(runner, inputs)
    memory_bytes = _peak_bytes()
    outputs = runner.answer(inputs)
    if asked.outputs:
        np.savez(asked.outputs, allow_pickle=False, **outputs)
    if asked.golden:
        rows = golden.choose(len(truth))
        chosen = {name: array[rows] for name, array in inputs.items()}
        Path(asked.golden).write_bytes(golden.encode(chosen, runner.answer(chosen)))
    return Figures(
        accuracy=float(np.mean(predicted(asked.contract, outputs) == truth)),
        rows=len(truth),
        latency_p50_ms=float(np.percentile(latencies_ms, 50)),
        latency_p95_ms=float(np.percentile(latencies_ms, 95)),
        memory_bytes=memory_bytes,
        baseline_bytes=baseline_bytes,
    )


def _time_single_rows(runner: Runner, inputs: Arrays) -> np.ndarray:
    """Milliseconds of each call, over different rows, after a warm-up. Preparing them counts."""
    rows_at_once = runner.fixed_rows or 1
    rows = len(next(iter(inputs.values()))) // rows_at_once
    calls = [
        {name: array[at * rows_at_once : (at + 1) * rows_at_once] for name, array in inputs.items()}
        for at in range(min(rows, TIMED_CALLS))
    ]
    taken_ns = []
    for number in range(WARM_UP_CALLS + TIMED_CALLS):
        feed = calls[number % len(calls)]
        start = time.perf_counter_ns()
        runner.run(feed)
        taken_ns.append(time.perf_counter_ns() - start)
    return np.array(taken_ns[WARM_UP_CALLS:]) / 1e6


def _peak_bytes() -> int:
    """This process's peak resident memory. (ru_maxrss would count what its parent had before it became this.)"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    serve(measure, MeasureQuestion)
