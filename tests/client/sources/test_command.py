"""The user's export command: what it gets, what it leaves, and how it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgewright.client.sources import ExportCommand, ExportFailed, prepare
from edgewright.contract.errors import InvalidInput

COPY = """
import os, pathlib
print("exporting", pathlib.Path(os.environ["EW_SOURCE"]).name)
pathlib.Path(os.environ["EW_OUTPUT"]).write_bytes(b"\\x1c\\0\\0\\0TFL3" + bytes(8))
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    return tmp_path / "made"


def command(folder: Path, code: str, **facts: object) -> ExportCommand:
    (folder / "export.py").write_text(code)
    return ExportCommand(f"{sys.executable} export.py", folder, **facts)


def test_a_command_makes_a_model_and_lineage_tells_of_what(weights, made, tmp_path):
    heard: list[str] = []

    source = prepare(weights, made, export=command(tmp_path, COPY, on_line=heard.append))

    assert source.path.read_bytes()[4:8] == b"TFL3"
    assert heard == ["exporting weights.safetensors"]
    assert source.export.weights == "weights.safetensors"
    assert len(source.export.weights_sha256) == 64
    assert source.export.command.endswith("export.py")


def test_a_command_that_fails_is_told_with_its_last_words(weights, made, tmp_path):
    export = command(tmp_path, "raise SystemExit('no such layer: conv9')")

    with pytest.raises(ExportFailed, match="ended with status 1") as caught:
        prepare(weights, made, export=export)
    assert "no such layer: conv9" in caught.value.hint


def test_a_command_that_hangs_is_ended_with_all_its_children(weights, made, tmp_path):
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {'import time; time.sleep(60)'!r}])"

    with pytest.raises(ExportFailed, match=r"did not end within 0\.3 s"):
        prepare(weights, made, export=command(tmp_path, code, timeout_s=0.3))


@pytest.mark.parametrize(
    ("code", "found"), [("", "nothing"), ("import os; open(os.environ['EW_OUTPUT'], 'w')", "an empty file")]
)
def test_a_command_that_leaves_no_model_is_told_so(weights, made, tmp_path, code, found):
    with pytest.raises(ExportFailed, match=f"left {found} at EW_OUTPUT"):
        prepare(weights, made, export=command(tmp_path, code))


def test_what_a_command_leaves_is_checked_like_any_file(weights, made, tmp_path):
    code = "import os, pickle; pickle.dump([], open(os.environ['EW_OUTPUT'], 'wb'))"

    with pytest.raises(InvalidInput, match="a pickle; Edgewright never loads pickles"):
        prepare(weights, made, export=command(tmp_path, code))


def test_a_command_that_eats_memory_fails_alone(weights, made, tmp_path):
    code = "import os; bytearray(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') * 2)"

    with pytest.raises(ExportFailed) as caught:
        prepare(weights, made, export=command(tmp_path, code))
    assert "MemoryError" in caught.value.hint


@pytest.mark.parametrize("line", ["", "no-such-program export.py", "python 'export.py"])
def test_what_is_no_command_is_refused(weights, made, tmp_path, line):
    with pytest.raises(InvalidInput) as caught:
        prepare(weights, made, export=ExportCommand(line, tmp_path))
    assert caught.value.field == "export"
