"""A device talks to its hub and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys

from edgewright import TELEMETRY_OFF


def test_the_runtime_leaves_no_identifier_and_reports_to_nobody(tmp_path):
    chosen = {name: value for name, value in os.environ.items() if name not in TELEMETRY_OFF}

    subprocess.run(
        [sys.executable, "-c", "import edgewright.agent.runtimes.onnx"],
        env={**chosen, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
    )

    assert list(tmp_path.rglob("*")) == []
