"""`python -m edgewright.contract.delta apply|make`: one delta in a process of its own, so that it can be limited."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edgewright.contract.delta.applier import apply
from edgewright.contract.errors import EdgewrightError

KEPT_BYTES = 16 * 1024 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)

USAGE = """usage: python -m edgewright.contract.delta apply BASE DELTA OUT MAX_RESULT_BYTES
       python -m edgewright.contract.delta make BASE NEW OUT [MAX_CPU_S]
"""


def main(arguments: Sequence[str]) -> int:
    """Run one verb: 0 done, 1 refused (a JSON line on stderr says why), 2 usage."""
    _keep_freed_memory()
    try:
        match arguments:
            case ["apply", base, delta, out, limit] if limit.isdecimal():
                _tell(apply(Path(base), Path(delta), Path(out), max_result_bytes=int(limit)))
            case ["make", base, new, out]:
                _tell(_make(Path(base), Path(new), Path(out), None))
            case ["make", base, new, out, max_cpu_s] if max_cpu_s.isdecimal():
                _tell(_make(Path(base), Path(new), Path(out), float(max_cpu_s)))
            case _:
                sys.stderr.write(USAGE)
                return 2
    except EdgewrightError as error:
        return _refuse(error.code, error.message)
    except OSError as error:
        return _refuse("io_error", str(error))
    return 0


def _keep_freed_memory() -> None:
    """Let a block have the memory of the last one: given back, each 4 KiB of it would cost a page fault again."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc; others decide for themselves
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)


def _tell(line: str) -> None:
    """Data goes to stdout."""
    sys.stdout.write(line + "\n")


def _make(base: Path, new: Path, out: Path, max_cpu_s: float | None) -> str:
    from dataclasses import asdict

    from edgewright.contract.delta.maker import make

    return json.dumps(asdict(make(base, new, out, max_cpu_s=max_cpu_s)))


def _refuse(code: str, message: str) -> int:
    sys.stderr.write(json.dumps({"code": code, "message": message}) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
