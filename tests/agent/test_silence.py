"""A device talks to its hub and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgewright import TELEMETRY_OFF


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "litert"])
def test_no_runtime_leaves_an_identifier_or_reports_to_anybody(tmp_path, runtime):
    code = (
        f"import sys; from edgewright.agent.runtimes import start_runtime; start_runtime('{runtime}')\n"
        "sys.exit('openvino_telemetry' in sys.modules)"
    )
    chosen = {name: value for name, value in os.environ.items() if name not in TELEMETRY_OFF}

    subprocess.run(
        [sys.executable, "-c", code],
        env={**chosen, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
    )

    assert list(tmp_path.rglob("*")) == []
