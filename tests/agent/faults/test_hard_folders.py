"""A whole agent on a disk that is full, or for reading only, or damaged in any of its files: it serves what it has."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.living import furnish, living
from faults.packages import answering_counter

DISK = "size=2m"
NOBODY = 65534
WITHOUT_RIGHTS = "-dac_override,-dac_read_search,-fowner,-chown"
FILES = (
    "agent.json",
    "identity.json",
    "device.key",
    "floors.json",
    "floors.json.bak",
    "boots.json",
    "pace.json",
    "time.json",
    "ledger.json",
    "lock",
    "models/digits/policy.json",
    "models/digits/state.json",
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def furnished(tmp_path_factory) -> Path:
    """A device's folder after a life with a real agent."""
    root = tmp_path_factory.mktemp("furnished") / "device"
    furnish(root)
    with living(root, root.parent / "log") as agent:
        assert agent.serves(), agent.said
    return root


@pytest.fixture
def root(furnished, tmp_path) -> Path:
    return shutil.copytree(furnished, tmp_path / "device", ignore=shutil.ignore_patterns("*.sock"))


@pytest.fixture
def small_disk(furnished, tmp_path) -> Iterator[Path]:
    """The device's folder on a disk of its own, of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "none", place], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield shutil.copytree(furnished, place / "device", ignore=shutil.ignore_patterns("*.sock"))
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_that_is_full_from_the_start_takes_nobody_the_model(small_disk, tmp_path):
    filler = small_disk.parent / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))

    with living(small_disk, tmp_path / "log") as agent:
        assert agent.serves(), agent.said
        assert agent.stays(2), agent.said
        assert answering_counter(small_disk) == 2
        filler.unlink()
        assert agent.serves(), agent.said


def test_a_disk_for_reading_only_takes_no_app_its_model_and_the_agent_waits(small_disk, tmp_path):
    subprocess.run(["mount", "-o", "remount,ro", small_disk.parent], check=True)

    with living(small_disk, tmp_path / "log") as agent:
        assert agent.stays(3), agent.said
        assert "Traceback" not in agent.said
        assert answering_counter(small_disk) == 2
        subprocess.run(["mount", "-o", "remount,rw", small_disk.parent], check=True)
        assert agent.stays(2), agent.said


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to give up its rights")
def test_a_folder_that_the_agent_may_only_read_takes_no_app_its_model_and_ends_no_agent(root, tmp_path):
    for path in (root, *root.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o555 if path.is_dir() else 0o444)

    with living(root, tmp_path / "log", before=("setpriv", f"--bounding-set={WITHOUT_RIGHTS}")) as agent:
        assert agent.stays(3), agent.said
        assert "Traceback" not in agent.said
        assert answering_counter(root) == 2


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["emptied", "garbled"])
def test_a_damaged_file_ends_no_agent(name, damage, root, tmp_path):
    path = root / name
    data = path.read_bytes() if path.exists() else b"{}"
    path.unlink(missing_ok=True)
    path.write_bytes(b"" if damage == "emptied" else bytes(byte ^ 0x55 for byte in data))

    with living(root, tmp_path / "log") as agent:
        is_serving = agent.serves()

        assert is_serving, agent.said
        assert answering_counter(root) == 2
