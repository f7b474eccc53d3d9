"""Keeps what fuzzing has found: `python fuzz/keep.py TARGET` copies new inputs that walk new ways into the corpus.

A way is a step from one line of ours to the next. The smallest inputs go first, so that few and small ones are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
OURS = str(ROOT / "src")
MAX_INPUT_BYTES = 4096

Way = tuple[str, int, int]


def main() -> None:
    """Copy, and say how many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("--most", type=int, default=24, help="how many to add")
    given = parser.parse_args()

    sys.path[:0] = [str(FOLDER), str(ROOT / "tests")]
    consume = importlib.import_module(given.target).consume
    corpus, found = FOLDER / "corpus" / given.target, ROOT / ".fuzz" / given.target
    walked = set().union(*(ways_of(consume, path.read_bytes()) for path in corpus.iterdir()))
    kept = 0
    for path in sorted(found.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        data = path.read_bytes()
        if kept == given.most or len(data) > MAX_INPUT_BYTES:
            break
        new = ways_of(consume, data) - walked
        if new:
            (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            walked |= new
            kept += 1
    print(f"{kept} more inputs in {corpus.relative_to(ROOT)}, {len(walked)} ways walked")


def ways_of(consume: Callable[[bytes], None], data: bytes) -> set[Way]:
    """The ways that an input walks through our source."""
    ways: set[Way] = set()
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        ways.add((frame.f_code.co_filename, last.get(frame, 0), frame.f_lineno))
        last[frame] = frame.f_lineno
        return trace

    sys.settrace(trace)
    try:
        consume(data)
    finally:
        sys.settrace(None)
    return ways


if __name__ == "__main__":
    main()
