"""Servers as processes of their own, and what the system says of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
BENCH = Path(__file__).parents[1]


@dataclass(frozen=True)
class Server:
    """A process that answers at a port of this machine."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Processor time that all its threads have used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        """Resident memory, in millions of bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024 / 1e6


@contextlib.contextmanager
def running(module: str, *words: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`python -m module words`, until the block ends."""
    command = [sys.executable, "-m", module, *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=BENCH, env={**os.environ, **(env or {})}
    ) as process:
        try:
            assert process.stdout is not None
            yield Server(process.pid, int(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(timeout=60)
