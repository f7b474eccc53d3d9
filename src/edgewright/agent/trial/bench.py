"""Measures one package in a process of its own, by the same code that serves: a line of JSON on standard output."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from edgewright.agent.runtimes import start_runtime
from edgewright.agent.serve.package import Package, open_package
from edgewright.agent.system.lines import own_stdout
from edgewright.agent.trial import golden
from edgewright.agent.trial.lines import BenchResult
from edgewright.agent.trial.soak import soak
from edgewright.agent.trial.worker import be_the_first_to_go, peak_memory_bytes, single_rows
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.manifest import Role

AT_LEAST = 10  # requests, also where they take longer than they may


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line names. Exit 0: the line was told; what it says is another matter."""
    options = _parser().parse_args(arguments)
    be_the_first_to_go()
    tell = own_stdout()
    tell(measure(options.place, options.manifest_sha256, options.calls, options.time_s))
    return 0


def measure(place: Path, manifest_sha256: str, calls: int, time_s: float) -> BenchResult:
    """Load the package in `place`, see that its answers are right, and time `calls` requests of a row each.

    Budgets are not judged here: a bench is to show by how much a device misses them.
    """
    try:
        began = time.monotonic()
        package = open_package(place, manifest_sha256)
        return _measured(package, time.monotonic() - began, calls, time_s)
    except EdgewrightError as error:
        return BenchResult(ok=False, reason=error.message)
    except MemoryError:
        return BenchResult(ok=False, reason="the package wants more memory than its bench may take")


def _measured(package: Package, load_s: float, calls: int, time_s: float) -> BenchResult:
    manifest = package.manifest
    inputs, outputs = golden.read_golden(package.folder / manifest.file(Role.GOLDEN).name)
    feeds = package.feeds(inputs)
    verdict, reason = golden.compare(package.contract, manifest.tolerance, package.infer(feeds), outputs)
    if not verdict.passed:
        return BenchResult(ok=False, reason=reason, golden=verdict)
    soaked = soak(package, single_rows(package, feeds), requests=calls, time_s=time_s, at_least=AT_LEAST)
    if soaked.not_finite:
        return BenchResult(ok=False, reason=soaked.not_finite, golden=verdict)
    return BenchResult(
        ok=True,
        golden=verdict,
        latency_p50_ms=soaked.latency_p50_ms,
        latency_p95_ms=soaked.latency_p95_ms,
        latency_p99_ms=soaked.latency_p99_ms,
        memory_bytes=peak_memory_bytes(),
        load_s=load_s,
        calls=soaked.requests,
        runtime=manifest.runtime.name,
        runtime_version=start_runtime(manifest.runtime.name).version,
        provider=manifest.runtime.provider,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgewright.agent.trial.bench", description="Measure one package.")
    parser.add_argument("--place", type=Path, required=True, help="folder of the package")
    parser.add_argument("--manifest-sha256", required=True, help="of the manifest that must be there")
    parser.add_argument("--calls", type=int, required=True, help="how many requests to time")
    parser.add_argument("--time-s", type=float, required=True, help="for how long at most")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
