"""Makes one delta in a sandboxed process that steps back for everybody else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.hub.sandbox import GIB, PYTHON, Finished, run

NICE = ("nice", "-n", "10")
MEMORY_BYTES = 4 * GIB
CHEAPER_FROM = 0.5  # of the time: from there on the maker spends less on each byte, to be done before it is up
TAIL_CHARS = 500


@dataclass(frozen=True)
class Made:
    """What came of it: the delta lies where it was asked for, unless `why_not` says something."""

    size_bytes: int
    cpu_s: float
    why_not: str = ""


class _Line(msgspec.Struct):
    """What we read of the maker's last line: its time, or what it refuses."""

    cpu_s: float = 0.0
    message: str = ""


def make_delta(base: Path, result: Path, out: Path, max_cpu_s: float) -> Made:
    """Write the delta between two files to `out`, in a time that is bounded; `out` lies in a folder of its own."""
    words = [str(base.resolve()), str(result.resolve()), str(out), str(int(CHEAPER_FROM * max_cpu_s))]
    finished = run(
        [*NICE, *PYTHON, "-m", "edgewright.contract.delta", "make", *words],
        cwd=out.parent,
        env={"TMPDIR": str(out.parent), "OMP_NUM_THREADS": "1"},
        timeout_s=max_cpu_s,
        memory_bytes=MEMORY_BYTES,
        file_bytes=result.stat().st_size + GIB,
    )
    if finished.timed_out:
        return Made(0, max_cpu_s, f"not made within {max_cpu_s:g} s")
    line = _last_line(finished)
    if not finished.is_ok:
        said = line.message or finished.output[-TAIL_CHARS:].strip()
        return Made(0, line.cpu_s, f"the maker {finished.explain()}: {said}")
    return Made(out.stat().st_size, line.cpu_s)


def _last_line(finished: Finished) -> _Line:
    try:
        return msgspec.json.decode(finished.output.strip().rpartition("\n")[2], type=_Line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Line()
