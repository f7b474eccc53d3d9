"""Which runtimes a machine has is found in children, so that the supervisor imports none and survives any."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright import plugins
from edgewright.agent.runtimes import GROUP
from edgewright.agent.system import runtimes
from edgewright.agent.system.runtimes import NAME, find_runtimes


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of children, where a distribution may bring a runtime's plug-in."""
    folder = tmp_path / "site"
    folder.mkdir()
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", paths)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a plug-in that changes twice in a second is read each time
    monkeypatch.setattr(plugins, "names", lambda group: ["abacus"])
    return folder


def bring(folder: Path, source: str, version: str = "1") -> None:
    info = folder / f"beads-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: beads\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nabacus = beads:Abacus\n")
    (folder / "beads.py").write_text(source)


SOUND = "print('hello')\nclass Abacus:\n    version = '3.1'\n    providers = ('fingers',)\n"


def test_a_distribution_may_be_named_otherwise_than_its_runtime(tmp_path: Path, elsewhere: Path) -> None:
    bring(elsewhere, SOUND)

    found = find_runtimes(tmp_path)

    assert {name: (one.version, one.providers) for name, one in found.items()} == {"abacus": ("3.1", ("fingers",))}


def test_what_was_found_is_remembered_until_a_distribution_changes(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(elsewhere))
    bring(elsewhere, SOUND)
    find_runtimes(tmp_path)
    (elsewhere / "beads.py").write_text(SOUND.replace("3.1", "3.2"))

    remembered = find_runtimes(tmp_path)["abacus"].version
    (elsewhere / "beads-1.dist-info").rename(elsewhere / "beads-2.dist-info")
    after = find_runtimes(tmp_path)["abacus"].version

    assert (remembered, after) == ("3.1", "3.2")


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 11)", "os._exit(0)", "print('{}', flush=True); os._exit(1)"])
def test_a_runtime_that_crashes_its_probe_is_not_there_and_is_asked_again(
    tmp_path: Path, elsewhere: Path, end: str
) -> None:
    bring(elsewhere, f"import os\n{end}\n")

    assert find_runtimes(tmp_path) == {}
    assert not (tmp_path / NAME).exists()


def test_a_runtime_that_hangs_is_not_waited_for(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "MAX_PROBE_S", 0.3)
    bring(elsewhere, "import signal\nsignal.pause()\n")

    assert find_runtimes(tmp_path) == {}


def test_a_runtime_whose_extra_is_missing_is_not_there(tmp_path: Path, elsewhere: Path) -> None:
    bring(elsewhere, "class Abacus:\n    def __init__(self):\n        import no_such_module\n")

    assert find_runtimes(tmp_path) == {}
    assert (tmp_path / NAME).exists()


def test_a_damaged_memory_is_asked_for_again(tmp_path: Path, elsewhere: Path) -> None:
    bring(elsewhere, SOUND)
    (tmp_path / NAME).write_bytes(b"\xff{")

    assert "abacus" in find_runtimes(tmp_path)


@pytest.mark.e2e
def test_the_one_who_asks_imports_no_runtime(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edgewright.agent.system.runtimes import find_runtimes\n"
        "found = find_runtimes(Path(sys.argv[1]))\n"
        "assert 'CPUExecutionProvider' in found['onnxruntime'].providers, found\n"
        "sys.exit(bool({'numpy', 'onnxruntime', 'openvino', 'ai_edge_litert'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0
