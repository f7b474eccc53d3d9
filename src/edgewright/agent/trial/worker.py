"""The worker: tries one candidate in a process of its own, so that a model which crashes its runtime crashes only it.

Standard output is a line of JSON for each phase (see agent/trial/lines.py); everything else goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgewright.agent.serve.package import Package, open_package, read_manifest
from edgewright.agent.system.lines import own_stdout
from edgewright.agent.trial import golden
from edgewright.agent.trial.launch import SOAK_REQUESTS, SOAK_S
from edgewright.agent.trial.lines import Line, ShadowDone, ShadowReady, TrialResult
from edgewright.agent.trial.shadow import Receiver, compare_requests
from edgewright.agent.trial.soak import judge, soak
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.manifest import Manifest, Role
from edgewright.contract.report import GoldenResult
from edgewright.contract.tensors import differences

Tell = Callable[[Line], None]
Arrays = Mapping[str, np.ndarray]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial that the command line names. Exit 0: every line was told; what they say is another matter."""
    options = _parser().parse_args(arguments)
    be_the_first_to_go()
    tell = own_stdout()
    active = Path(options.active) if options.active else None
    result, package = try_package(options.slot, active, options.soak_requests, options.soak_s)
    tell(result)
    if result.ok and package is not None and options.shadow_socket is not None:
        shadow(package, options.shadow_socket, options.min_requests, options.max_wait_s, tell)
    return 0


def try_package(
    slot: Path, active: Path | None, soak_requests: int = SOAK_REQUESTS, soak_s: float = SOAK_S
) -> tuple[TrialResult, Package | None]:
    """Load the package in `slot`, hold it to its golden outputs, its budgets and the contract that apps rely on."""
    try:
        package = open_package(slot)
        if active is not None and (broken := _broken_contract(read_manifest(active), package.manifest)):
            return TrialResult(ok=False, reason=broken), None
        inputs, outputs = golden.read_golden(slot / package.manifest.file(Role.GOLDEN).name)
        feeds = package.feeds(inputs)
        verdict, reason = golden.compare(package.contract, package.manifest.tolerance, package.infer(feeds), outputs)
        if not verdict.passed:
            return TrialResult(ok=False, reason=reason, golden=verdict), None
        return _soaked(package, verdict, feeds, soak_requests, soak_s), package
    except EdgewrightError as error:
        return TrialResult(ok=False, reason=error.message), None
    except MemoryError:
        return TrialResult(ok=False, reason="the candidate wants more memory than its trial may take"), None


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


def _soaked(package: Package, verdict: GoldenResult, feeds: Arrays, requests: int, time_s: float) -> TrialResult:
    soaked = soak(package, single_rows(package, feeds), requests=requests, time_s=time_s)
    memory_bytes = peak_memory_bytes()
    reason = judge(soaked, package.manifest.budgets, memory_bytes)
    return TrialResult(
        ok=not reason,
        reason=reason,
        golden=verdict,
        latency_p50_ms=soaked.latency_p50_ms,
        latency_p95_ms=soaked.latency_p95_ms,
        memory_bytes=memory_bytes,
    )


def single_rows(package: Package, feeds: Arrays) -> list[Arrays]:
    """The golden rows one by one; all of them at once where the model takes a fixed batch."""
    if any(spec.shape[:1] != (None,) for spec in package.contract.inputs):
        return [feeds]
    count = min(len(array) for array in feeds.values())
    return [{name: array[row : row + 1] for name, array in feeds.items()} for row in range(count)]


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


def be_the_first_to_go() -> None:
    """Where memory runs out, the kernel shall take the candidate, and neither the active model nor the supervisor."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgewright.agent.trial.worker", description="Try one candidate.")
    parser.add_argument("--slot", type=Path, required=True, help="folder of the candidate's package")
    parser.add_argument("--active", default="", help="folder of the active package, if there is one")
    parser.add_argument("--shadow-socket", type=Path, help="bind this socket and compare copies of requests")
    parser.add_argument("--min-requests", type=int, default=0)
    parser.add_argument("--max-wait-s", type=float, default=0.0)
    parser.add_argument("--soak-requests", type=int, default=SOAK_REQUESTS, help="how many requests a soak takes")
    parser.add_argument("--soak-s", type=float, default=SOAK_S, help="how long a soak takes at most")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
