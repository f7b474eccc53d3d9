"""When this distribution was built: packaging/build_time.py bakes it in, so that no device believes an earlier time."""

from __future__ import annotations

from pathlib import Path

import edgewright

BUILT_AT = Path(edgewright.__file__).with_name("built_at.txt")


def built_at(path: Path = BUILT_AT) -> float:
    """Seconds since the epoch; 0 in a checkout, which nobody has built."""
    try:
        return float(int(path.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return 0.0
