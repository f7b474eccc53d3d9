"""What one core does in a second: `python -m edgewright.cli.probing.rates SECONDS` measures it and prints JSON.

In a process of its own that is told to use one thread. Matrices of 512 × 512 are multiplied by ONNX Runtime, in float32
and in integers (u8 by s8), and an array that no cache holds is copied. Each is done in rounds that take turns, and of
the rounds the median counts. Seconds are those that the processor spent on it: what else runs takes turns, which are
not counted, but shares caches and memory, which is.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

MODELS = Path(__file__).parent / "models"
SIDE = 512
OPERATIONS = 2 * SIDE**3
COPIED_BYTES = 32 * 1024**2
ROUNDS = 7


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of the rounds; `spread` is the widest range of one of the three, as a share of its median."""

    fp32_gflops: float
    int8_gops: float
    memory_gb_s: float
    rounds: int
    spread: float
    runtime: str


def measure(seconds: float) -> Measured:
    """Measure for about that long, on this process's thread."""
    import onnxruntime

    works = [(_multiply("fp32"), OPERATIONS), (_multiply("int8"), OPERATIONS), (_copy(), 2 * COPIED_BYTES)]
    turn_s = seconds / (ROUNDS * len(works))
    rounds = [[_rate(work, amount, turn_s) for work, amount in works] for _ in range(ROUNDS)]
    fp32, int8, memory = (sorted(rates) for rates in zip(*rounds, strict=True))
    return Measured(
        fp32_gflops=statistics.median(fp32),
        int8_gops=statistics.median(int8),
        memory_gb_s=statistics.median(memory),
        rounds=ROUNDS,
        spread=max((rates[-1] - rates[0]) / statistics.median(rates) for rates in (fp32, int8, memory)),
        runtime=f"onnxruntime {onnxruntime.__version__}",
    )


def _rate(work: Callable[[], object], amount: int, turn_s: float) -> float:
    """Billions a second of what `work` does `amount` of, over `turn_s` seconds and one time at least."""
    count, begin = 0, time.process_time()
    while count == 0 or time.process_time() - begin < turn_s:
        work()
        count += 1
    return count * amount / (time.process_time() - begin) / 1e9


def _multiply(kind: str) -> Callable[[], object]:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = MODELS / f"matmul-{kind}.onnx"
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    if kind == "fp32":
        a, b = random.random((2, SIDE, SIDE), dtype=np.float32)
    else:
        a = random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        b = random.integers(-128, 128, (SIDE, SIDE), dtype=np.int8)
    session.run(None, {"a": a, "b": b})
    return lambda: session.run(None, {"a": a, "b": b})


def _copy() -> Callable[[], object]:
    import numpy as np

    source = np.ones(COPIED_BYTES, dtype=np.uint8)
    copy = source.copy()
    return lambda: np.copyto(copy, source)


def main() -> int:
    """Measure and print, with what the runtime says kept off standard output."""
    with os.fdopen(os.dup(1), "wb") as lines:
        os.dup2(2, 1)
        lines.write(msgspec.json.encode(measure(float(sys.argv[1]))) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
