"""Makes one delta in a sandboxed process that steps back for everybody else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.hub.sandbox import GIB, PYTHON, run

MAX_SHARE = 0.9
NICE = ("nice", "-n", "10")
MEMORY_BYTES = 4 * GIB
TAIL_CHARS = 500


@dataclass(frozen=True)
class Made:
    """What came of it: the delta lies where it was asked for, unless `why_not` says something."""

    size_bytes: int
    cpu_s: float
    why_not: str = ""


class _Stats(msgspec.Struct):
    """What we read of the line in which the maker counts."""

    cpu_s: float = 0.0


def make_delta(base: Path, result: Path, out: Path, max_cpu_s: float) -> Made:
    """Write the delta between two files to `out`, in a time that is bounded; `out` lies in a folder of its own.

    The files are mapped into memory, so that the bound on memory grows with them.
    """
    result_bytes = result.stat().st_size
    finished = run(
        [
            *NICE,
            *PYTHON,
            "-m",
            "edgewright.contract.delta",
            "make",
            str(base.resolve()),
            str(result.resolve()),
            str(out),
        ],
        cwd=out.parent,
        env={"TMPDIR": str(out.parent), "OMP_NUM_THREADS": "1"},
        timeout_s=max_cpu_s,
        memory_bytes=MEMORY_BYTES + base.stat().st_size + result_bytes,
        file_bytes=2 * result_bytes + GIB,
    )
    if finished.timed_out:
        return Made(0, max_cpu_s, f"not made within {max_cpu_s:g} s")
    if not finished.is_ok:
        return Made(0, 0.0, f"the maker {finished.explain()}: {finished.output[-TAIL_CHARS:].strip()}")
    return Made(out.stat().st_size, _cpu_s(finished.output))


def _cpu_s(output: str) -> float:
    try:
        return msgspec.json.decode(output.strip().rpartition("\n")[2], type=_Stats).cpu_s
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0.0
