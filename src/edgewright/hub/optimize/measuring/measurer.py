"""The child that runs one model file: `python -m edgewright.hub.optimize.measuring.measurer QUESTION`."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.sources import HEAD_BYTES, is_tflite
from edgewright.hub.children import serve
from edgewright.hub.optimize.measuring import golden
from edgewright.hub.optimize.measuring.arena import arena_bytes
from edgewright.hub.optimize.measuring.model import TFLITE_MICRO, Engine, RunAnswer, RunQuestion
from edgewright.hub.registry.runner import Arrays, Runner, inputs_of, start

WARM_UP_CALLS, WARM_UP_S = 30, 0.2
MIN_CALLS, MAX_CALLS, TIMED_S = 100, 2000, 0.4
"""Calls that are timed: as many as fit in TIMED_S, but enough for a 99th percentile."""


def run(asked: RunQuestion) -> RunAnswer:
    """Do it. Raises InvalidInput where none of the engines is here."""
    engine = choose(asked.engines)
    with np.load(asked.rows.holdout, allow_pickle=False) as arrays:
        inputs = inputs_of(arrays, asked.rows.contract)
    runner = Runner(
        asked.model, asked.rows.contract, asked.rows.tables, runtime=engine.runtime, provider=engine.provider
    )
    latencies_ms = time_single_rows(runner, inputs)
    peak_bytes = _peak_bytes()
    if asked.outputs:
        np.savez(asked.outputs, allow_pickle=False, **runner.answer(inputs))
    if asked.golden:
        np.savez(asked.golden, allow_pickle=False, **runner.answer(golden.picked(inputs)))
    p50_ms, p95_ms, p99_ms = (float(np.percentile(latencies_ms, share)) for share in (50, 95, 99))
    arena = _arena_bytes(Path(asked.model)) if asked.engines[0].runtime == TFLITE_MICRO else 0
    return RunAnswer(
        engine=engine, p50_ms=p50_ms, p95_ms=p95_ms, p99_ms=p99_ms, peak_bytes=peak_bytes, arena_bytes=arena
    )


def choose(engines: tuple[Engine, ...]) -> Engine:
    """The first engine that this machine has, with its version. Raises InvalidInput where it has none."""
    for engine in engines:
        try:
            runtime = start(engine.runtime)
        except (NotFound, ImportError):
            continue
        if engine.provider in runtime.providers:
            return msgspec.structs.replace(engine, version=runtime.version)
    wanted = ", ".join(map(str, engines))
    raise InvalidInput(f"none of these runtimes is here: {wanted}", field="target.runtime")


def time_single_rows(runner: Runner, inputs: Arrays) -> np.ndarray:
    """Milliseconds of each call, over different rows, after a warm-up. Preparing them counts."""
    at_once = runner.fixed_rows or 1
    rows = len(next(iter(inputs.values())))
    calls = [
        {name: array.take(range(at, at + at_once), axis=0, mode="wrap") for name, array in inputs.items()}
        for at in range(0, min(rows, MAX_CALLS), at_once)
    ]
    _call(runner, calls, 1, WARM_UP_CALLS, WARM_UP_S)
    return np.array(_call(runner, calls, MIN_CALLS, MAX_CALLS, TIMED_S)) / 1e6


def _call(runner: Runner, calls: list[Arrays], least: int, most: int, time_s: float) -> list[int]:
    """Nanoseconds of each call."""
    taken_ns: list[int] = []
    end_ns = time.perf_counter_ns() + int(time_s * 1e9)
    while len(taken_ns) < most:
        feed = calls[len(taken_ns) % len(calls)]
        start_ns = time.perf_counter_ns()
        runner.run(feed)
        now_ns = time.perf_counter_ns()
        taken_ns.append(now_ns - start_ns)
        if now_ns >= end_ns and len(taken_ns) >= least:
            break
    return taken_ns


def _arena_bytes(model: Path) -> int:
    """What tflite-micro would plan; raises InvalidInput for a file that holds what it does not know."""
    data = model.read_bytes()
    try:
        return arena_bytes(data) if is_tflite(data[:HEAD_BYTES]) else 0
    except (ValueError, IndexError, struct.error) as error:
        raise InvalidInput(f"tflite-micro has no place for this model: {error}", field="target.runtime") from error


def _peak_bytes() -> int:
    """This process's peak resident memory. (ru_maxrss would count what its parent had before it became this.)"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    serve(run, RunQuestion)
