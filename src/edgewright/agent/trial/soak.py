"""The soak: one request after the other, to see what the first few do not show.

A crash at the thousandth request ends the worker, which says enough. A leak, an answer that is no number any more, and
a tail of slow answers are found here.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.agent.serve.package import Package
from edgewright.contract.manifest import Budgets

MIN_REQUESTS = 50  # also where they take longer than the soak may
WARM_UP_REQUESTS = 10
SETTLING_SHARE = 0.25  # of the soak, in which a runtime's own pools may still grow
LEAK_BYTES = 16 * 1024 * 1024  # of growth afterwards: more is a leak
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Row = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Soaked:
    """What was seen. `grown_bytes` is by how much the resident set grew over the last `counted` requests."""

    requests: int
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    grown_bytes: int
    counted: int
    not_finite: str = ""  # the first output that was no number any more, and at which request


def soak(
    package: Package, rows: Sequence[Row], *, requests: int, time_s: float, at_least: int = MIN_REQUESTS
) -> Soaked:
    """Answer `rows` in turn: so many requests, or for so long, whichever ends first, but `at_least` so many.

    Raises what the package does where it gives up on a request.
    """
    for row in itertools.islice(itertools.cycle(rows), WARM_UP_REQUESTS):
        package.infer(row)
    began, settled_at, settled_bytes, not_finite = time.monotonic(), 0, 0, ""
    latencies_ms: list[float] = []
    for number, row in enumerate(itertools.islice(itertools.cycle(rows), max(requests, at_least)), 1):
        started = time.perf_counter()
        outputs = package.infer(row)
        latencies_ms.append((time.perf_counter() - started) * 1000)
        if not_finite := _not_finite(outputs, number):
            break
        elapsed_s = time.monotonic() - began
        if not settled_bytes and (number >= SETTLING_SHARE * requests or elapsed_s >= SETTLING_SHARE * time_s):
            settled_at, settled_bytes = number, resident_bytes()
        if number >= at_least and elapsed_s >= time_s:
            break
    p50_ms, p95_ms, p99_ms = (float(np.percentile(latencies_ms, share)) for share in (50, 95, 99))
    grown_bytes = resident_bytes() - settled_bytes if settled_bytes else 0
    return Soaked(len(latencies_ms), p50_ms, p95_ms, p99_ms, grown_bytes, len(latencies_ms) - settled_at, not_finite)


def judge(soaked: Soaked, budgets: Budgets, peak_bytes: int) -> str:
    """Why the candidate fails its soak, in a sentence for each; '' where it passes."""
    reasons = [f"soak: {soaked.not_finite}"] if soaked.not_finite else []
    if soaked.latency_p95_ms > budgets.latency_p95_ms:
        reasons.append(f"latency p95 is {soaked.latency_p95_ms:.3g} ms, the budget {budgets.latency_p95_ms:.3g} ms")
    if peak_bytes > budgets.memory_bytes:
        reasons.append(f"peak memory is {peak_bytes} bytes, the budget {budgets.memory_bytes} bytes")
    if soaked.grown_bytes > LEAK_BYTES:
        each = soaked.grown_bytes / soaked.counted / 1024
        grown, most = (size_bytes / 1024 / 1024 for size_bytes in (soaked.grown_bytes, LEAK_BYTES))
        reasons.append(
            f"soak: memory grew by {grown:.0f} MiB in {soaked.counted} requests ({each:.0f} KiB each), "
            f"{most:.0f} MiB may be"
        )
    return "; ".join(reasons)


def resident_bytes() -> int:
    """This process's resident set now; 0 where the kernel does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def _not_finite(outputs: Row, number: int) -> str:
    """The golden outputs are finite, and rows of the golden inputs are all that is asked."""
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{name} holds values that are not finite in the answer to request {number}"
    return ""
