"""The worker: tries one candidate in a process of its own, so that a model which crashes its runtime crashes only it.

Standard output is a line of JSON for each phase (see agent/trial/lines.py); everything else goes to standard error.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgewright.agent.serve.package import Package, blank_row, open_package, read_manifest
from edgewright.agent.trial import golden
from edgewright.agent.trial.lines import Line, ShadowDone, ShadowReady, TrialResult, encode_line
from edgewright.agent.trial.shadow import Receiver, compare_requests
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.manifest import Manifest, Role
from edgewright.contract.report import GoldenResult
from edgewright.contract.tensors import differences

MIN_RUNS, MAX_RUNS, RUNS_S = 50, 400, 1.0
WARM_UP_RUNS = 10

Tell = Callable[[Line], None]
Arrays = Mapping[str, np.ndarray]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial that the command line names. Exit 0: every line was told; what they say is another matter."""
    options = _parser().parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tell = _own_stdout()
    result, package = try_package(options.slot, Path(options.active) if options.active else None)
    tell(result)
    if result.ok and package is not None and options.shadow_socket is not None:
        shadow(package, options.shadow_socket, options.min_requests, options.max_wait_s, tell)
    return 0


def try_package(slot: Path, active: Path | None) -> tuple[TrialResult, Package | None]:
    """Load the package in `slot`, hold it to its golden outputs, its budgets and the contract that apps rely on."""
    try:
        package = open_package(slot)
        if active is not None and (broken := _broken_contract(read_manifest(active), package.manifest)):
            return TrialResult(ok=False, reason=broken), None
        inputs, outputs = golden.read_golden(slot / package.manifest.file(Role.GOLDEN).name)
        found = package.infer(package.feeds(inputs))
    except EdgewrightError as error:
        return TrialResult(ok=False, reason=error.message), None
    verdict, reason = golden.compare(package.contract, package.manifest.tolerance, found, outputs)
    if not verdict.passed:
        return TrialResult(ok=False, reason=reason, golden=verdict), None
    return _measured(package, verdict, inputs), package


def shadow(package: Package, path: Path, min_requests: int, max_wait_s: float, tell: Tell) -> None:
    """Compare the candidate with the active model on copies of real requests."""
    started = time.monotonic()
    try:
        receiver = Receiver(path)
    except OSError as error:
        tell(ShadowDone(ok=False, reason=f"the shadow socket cannot be bound: {error}"))
        return
    try:
        tell(ShadowReady())
        result = compare_requests(package, receiver, min_requests, started + max_wait_s)
    finally:
        receiver.close()
    tell(ShadowDone(ok=True, shadow=result, waited_s=time.monotonic() - started))


def _measured(package: Package, verdict: GoldenResult, inputs: Arrays) -> TrialResult:
    latencies_ms = _latencies_ms(package, inputs)
    p50_ms, p95_ms = (float(np.percentile(latencies_ms, share)) for share in (50, 95))
    memory_bytes = peak_memory_bytes()
    budgets = package.manifest.budgets
    reasons = []
    if p95_ms > budgets.latency_p95_ms:
        reasons.append(f"latency p95 is {p95_ms:.3g} ms, the budget {budgets.latency_p95_ms:.3g} ms")
    if memory_bytes > budgets.memory_bytes:
        reasons.append(f"peak memory is {memory_bytes} bytes, the budget {budgets.memory_bytes} bytes")
    return TrialResult(
        ok=not reasons,
        reason="; ".join(reasons),
        golden=verdict,
        latency_p50_ms=p50_ms,
        latency_p95_ms=p95_ms,
        memory_bytes=memory_bytes,
    )


def _latencies_ms(package: Package, inputs: Arrays) -> list[float]:
    """Latencies of single rows, taken from the golden inputs in turn: for a second, but between 50 and 400 of them."""
    rows = _single_rows(package, inputs)
    for row in itertools.islice(itertools.cycle(rows), WARM_UP_RUNS):
        package.infer(row)
    latencies_ms: list[float] = []
    deadline = time.monotonic() + RUNS_S
    for row in itertools.islice(itertools.cycle(rows), MAX_RUNS):
        started = time.perf_counter()
        package.infer(row)
        latencies_ms.append((time.perf_counter() - started) * 1000)
        if len(latencies_ms) >= MIN_RUNS and time.monotonic() >= deadline:
            break
    return latencies_ms


def _single_rows(package: Package, inputs: Arrays) -> list[dict[str, np.ndarray]]:
    """The golden rows one by one; a blank row where the model takes a fixed batch."""
    if any(spec.shape[:1] != (None,) for spec in package.contract.inputs):
        return [blank_row(package.manifest)]
    count = min(len(array) for array in inputs.values())
    return [{name: array[row : row + 1] for name, array in inputs.items()} for row in range(count)]


def _broken_contract(active: Manifest, candidate: Manifest) -> str:
    """Why apps of the active model would break, where the candidate does not declare so by a higher version."""
    if candidate.contract.version > active.contract.version:
        return ""
    return "; ".join(differences(active.contract, candidate.contract))


def peak_memory_bytes() -> int:
    """This process's own highest resident set. (getrusage would count in that of the parent before the exec.)"""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _own_stdout() -> Tell:
    """Keep standard output for lines: what a runtime prints goes to standard error instead."""
    lines = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def tell(line: Line) -> None:
        lines.write(encode_line(line))

    return tell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgewright.agent.trial.worker", description="Try one candidate.")
    parser.add_argument("--slot", type=Path, required=True, help="folder of the candidate's package")
    parser.add_argument("--active", default="", help="folder of the active package, if there is one")
    parser.add_argument("--shadow-socket", type=Path, help="bind this socket and compare copies of requests")
    parser.add_argument("--min-requests", type=int, default=0)
    parser.add_argument("--max-wait-s", type=float, default=0.0)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
