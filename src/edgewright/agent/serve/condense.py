"""The child that merges old profile windows while a device is offline: short-lived, nice, and the one with numpy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edgewright.agent.disk import durable
from edgewright.agent.disk.spool import condensing
from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import merge_payloads
from edgewright.contract.report import ProfileWindow


def main(arguments: Sequence[str] | None = None) -> int:
    """Condense the oldest windows in the spool. Exit 0: the result waits to be adopted; 1: there was nothing to do."""
    parser = argparse.ArgumentParser(prog="python -m edgewright.agent.serve.condense", description=main.__doc__)
    parser.add_argument("--spool", type=Path, required=True, help="folder of the spool")
    return 0 if condense(parser.parse_args(arguments).spool) else 1


def condense(spool: Path) -> bool:
    """Merge what can be merged in one run; False where nothing can. Raises OSError."""
    durable.remove(spool / condensing.NEW)
    work = condensing.gather(spool)
    if work is not None:
        condensing.write(spool, work, _merge)
    return work is not None


def _merge(windows: Sequence[ProfileWindow]) -> bytes | None:
    try:
        return merge_payloads([window.payload for window in windows], sum(window.rows for window in windows))
    except HostileInput:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
