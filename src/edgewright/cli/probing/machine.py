"""This machine as it is: what it is made of, what is installed, and what one of its cores does in a second."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.probing import rates
from edgewright.cli.probing.processor import CLOCK, CPUINFO, clock_of, isa_of, name_of, read_text
from edgewright.contract.errors import Refused

if TYPE_CHECKING:
    from edgewright.contract.report import Capabilities

SLOWEST_START_S = 120.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ProbeFailed(Refused):
    """The measuring process ended without an answer."""

    code = "probe_failed"
    hint = "Check that `python -c 'import onnxruntime'` works here."


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What was found here, and when (ISO 8601, UTC). `hardware_ids` are devicetree `compatible` strings."""

    name: str
    arch: str
    cores: int
    isa: tuple[str, ...]
    clock_hz: int
    ram_bytes: int
    hardware_ids: tuple[str, ...]
    runtimes: dict[str, str]
    providers: dict[str, tuple[str, ...]]
    rates: rates.Measured
    when: str


def measure(seconds: float, clock: Callable[[], float]) -> Machine:
    """Look at this machine, then measure for about `seconds`. Raises ProbeFailed."""
    told = _capabilities()
    cpuinfo = read_text(CPUINFO)
    return Machine(
        name=name_of(cpuinfo),
        arch=told.arch,
        cores=told.cores,
        isa=isa_of(cpuinfo),
        clock_hz=clock_of(cpuinfo, read_text(CLOCK)),
        ram_bytes=told.ram_bytes,
        hardware_ids=told.hardware_ids,
        runtimes=told.runtimes,
        providers=told.providers,
        rates=_rates(seconds),
        when=datetime.fromtimestamp(clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _capabilities() -> Capabilities:
    """What an agent would report of this machine."""
    from edgewright.agent.system.facts import measure as look

    with tempfile.TemporaryDirectory(prefix="edgewright-probe-") as folder:
        return look(Path(folder))


def _rates(seconds: float) -> rates.Measured:
    argv = [sys.executable, "-m", rates.__name__, str(seconds)]
    try:
        done = subprocess.run(
            argv, env={**os.environ, **ONE_THREAD}, capture_output=True, timeout=seconds * 3 + SLOWEST_START_S
        )
        return msgspec.json.decode(done.stdout, type=rates.Measured)
    except (subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        raise ProbeFailed(f"this machine's rates could not be measured: {error}") from error
