"""Runs a peer in the Python that has it: the one that is asked for, this one, or a new one in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

PEER = Path(__file__).with_name("peer.py")
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "WHYLOGS_NO_ANALYTICS": "True", "DO_NOT_TRACK": "1"}
TIMEOUT_S = 3600
NEEDS = {
    "evidently": ("evidently>=0.7.23", "pandas<3"),  # it imports what pandas 3 has no more
    "whylogs": ("whylogs>=1.6.4", "numpy<2", "pandas<3"),  # it imports what numpy 2 has no more
}


class Told(NamedTuple):
    """What a peer took; `why` says why it could not be asked ('' where it was)."""

    cpu_s: float = float("nan")
    drifted: int = -1
    note: str = ""
    why: str = ""


def ask(python: Path, name: str, rows: int) -> Told:
    """Have the peer profile and compare so many rows."""
    command = [str(python), str(PEER), name, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | THREADS, timeout=TIMEOUT_S)
    if done.returncode:
        return Told(why=(done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:200])
    return Told(**json.loads(done.stdout.splitlines()[-1]))


def python_with(folder: Path, name: str) -> Path:
    """The Python of a virtual environment in `folder` that has the peer; made where there is none."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *NEEDS[name]], check=True, stdout=sys.stderr)
    return python
