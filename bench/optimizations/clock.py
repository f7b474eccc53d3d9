"""How long one row takes: fresh processes that load one model each, in turns, on one thread.

`python clock.py ENGINE MODEL ROWS` is such a process; it prints the median milliseconds of a call.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edgewright import plugins

ROUNDS = 3
CALLS, MIN_CALLS, ENOUGH_S = 600, 40, 2.0
WARM_UP = 20
LABEL = "label"
PROVIDERS = {"onnxruntime": "CPUExecutionProvider", "openvino": "CPU", "litert": "XNNPACK"}

Call = Callable[[dict[str, np.ndarray]], object]


def race(runners: Mapping[str, tuple[str, Path]], rows: Path) -> dict[str, float]:
    """Median milliseconds of a call by name: the best of ROUNDS rounds, each in the opposite order of the last.

    A runner is an engine ('onnxruntime', 'openvino', 'litert') and its model.
    """
    best = dict.fromkeys(runners, float("inf"))
    for turn in range(ROUNDS):
        for name in list(runners) if turn % 2 == 0 else reversed(list(runners)):
            engine, model = runners[name]
            command = [sys.executable, __file__, engine, str(model), str(rows)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            best[name] = min(best[name], float(done.stdout.split()[-1]))
    return best


def main(engine: str, model: Path, rows: Path) -> None:
    with np.load(rows, allow_pickle=False) as arrays:
        inputs = {name: arrays[name] for name in arrays.files if name != LABEL}
    call = _loaded(engine, model)
    count = min(len(array) for array in inputs.values())
    feeds = [{name: array[row : row + 1] for name, array in inputs.items()} for row in range(min(count, 50))]
    taken = []
    begun = time.perf_counter()
    for number in range(WARM_UP + CALLS):
        start = time.perf_counter_ns()
        call(feeds[number % len(feeds)])
        taken.append(time.perf_counter_ns() - start)
        if number > WARM_UP + MIN_CALLS and time.perf_counter() - begun > ENOUGH_S:
            break
    print(np.median(taken[WARM_UP:]) / 1e6)


def _loaded(engine: str, model: Path) -> Call:
    """As a device runs it: by the agent's own plug-in for that runtime, on its processor."""
    runtime = plugins.load("edgewright.runtimes", engine)()
    return runtime.load(model, PROVIDERS[engine]).run


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
