"""Files beyond what 32 bits can count: deltas are made and applied in the memory that small files take."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

GIB = 1 << 30
COLUMNS, CHANGED_ROWS = 4096, 256

MEASURED = """
import resource, sys
from pathlib import Path
import numpy
from edgewright.contract import delta
def peak_mib(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
verb, *paths = sys.argv[1:]
before = peak_mib()
if verb == "make":
    delta.make(*map(Path, paths))
else:
    delta.apply(*map(Path, paths), max_result_bytes=1 << 40)
print(peak_mib() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("size_bytes", [2 * GIB + (1 << 21), 5 * GIB])
def test_gibibytes_are_made_and_applied_in_little_memory(size_bytes, tmp_path):
    written(tmp_path / "base", size_bytes, is_tuned=False)
    written(tmp_path / "new", size_bytes, is_tuned=True)

    made_mib = measured("make", tmp_path, "base", "new", "delta")
    applied_mib = measured("apply", tmp_path, "base", "delta", "out")

    assert (tmp_path / "delta").stat().st_size < 64 << 20
    assert subprocess.run(["cmp", "new", "out"], cwd=tmp_path, check=False).returncode == 0
    assert made_mib < 170
    assert applied_mib < 24


def written(path: Path, size_bytes: int, *, is_tuned: bool) -> None:
    """One float32 tensor, mostly a hole in the file, with values here and there; tuned ones have moved a little."""
    random = np.random.default_rng(0)
    rows = size_bytes // (4 * COLUMNS)
    entry = {"dtype": "F32", "shape": [rows, COLUMNS], "data_offsets": [0, rows * COLUMNS * 4]}
    header = json.dumps({"weights": entry}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        start = file.tell()
        file.truncate(start + rows * COLUMNS * 4)
        for first in (0, rows // 2, rows - CHANGED_ROWS):
            values = random.normal(0, 0.05, (CHANGED_ROWS, COLUMNS)).astype(np.float32)
            update = random.normal(0, 1e-5, values.shape).astype(np.float32)
            file.seek(start + first * COLUMNS * 4)
            file.write((values + update if is_tuned else values).tobytes())


def measured(verb: str, folder: Path, *paths: str) -> float:
    words = [sys.executable, "-c", MEASURED, verb, *paths]
    return float(subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout)
