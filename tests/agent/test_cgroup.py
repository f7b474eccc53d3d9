"""Control groups: for real where this machine lets us make one, on a folder that looks like one for the rest."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.agent.system.cgroup import Groups

REAL = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


@pytest.fixture
def real() -> Iterator[Path]:
    """A group of our own in the kernel's tree."""
    tree = next((tree for tree in REAL if (tree / "cgroup.controllers").exists()), None)
    if tree is None or not os.access(tree / "cgroup.procs", os.W_OK):
        pytest.skip("this machine lets us make no control group")
    folder = tree / f"edgewright-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this machine lets us make no control group")
    yield folder
    for path in (*folder.iterdir(), folder):
        if path.is_dir():
            path.rmdir()


def looks_like(folder: Path, *, controllers: str = "cpu memory pids") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"cgroup.controllers": controllers, "cgroup.subtree_control": "", "cgroup.procs": ""}
    for name, text in {**contents, "cgroup.type": "domain\n", "cgroup.kill": ""}.items():
        (folder / name).write_text(text)
    return folder


def with_files(group: Path, *names: str) -> Path:
    group.mkdir()
    for name in names:
        (group / name).write_text("")
    return group


def test_all_processes_of_a_real_group_are_killed_at_once(real):
    group = Groups(real).make("digits")
    worker = subprocess.Popen(["sh", "-c", "sleep 60 & echo here; wait"], stdout=subprocess.PIPE)
    group.add(worker.pid)
    child = subprocess.Popen(["sleep", "60"])
    group.add(child.pid)

    killed = group.kill()

    assert killed
    assert (worker.wait(10), child.wait(10)) == (-signal.SIGKILL, -signal.SIGKILL)
    worker.stdout.close()
    group.remove()
    assert not (real / "digits").exists()


def test_a_real_group_without_controllers_is_still_a_group(real):
    group = Groups(real).make("digits", memory_bytes=10**9, cpus=0.5, processes=64)

    assert (real / "digits" / "cgroup.procs").read_text() == ""
    assert group.oom_kills() == 0
    group.remove()


def test_limits_are_written_as_the_kernel_wants_them(tmp_path):
    part = looks_like(tmp_path / "part")
    files = ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max", "cgroup.procs")
    folder = with_files(part / "digits", *files)

    group = Groups(part).make("digits", memory_bytes=10**8, cpus=1.5, processes=64)
    group.add(4711)

    assert [(folder / name).read_text() for name in files] == ["100000000", "0", "1", "150000 100000", "64", "4711"]


def test_what_the_kernel_killed_for_memory_is_counted(tmp_path):
    part = looks_like(tmp_path / "part")
    folder = with_files(part / "digits", "memory.events")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 17\noom 1\noom_kill 1\n")

    assert Groups(part).make("digits").oom_kills() == 1


def test_the_agent_uses_a_part_of_the_tree_that_was_given_to_it(tmp_path, monkeypatch):
    tree = looks_like(tmp_path / "tree")
    part = looks_like(tree / "system.slice" / "edgewright-agent.service", controllers="memory pids")
    (part / "cgroup.procs").write_text("12\n")
    with_files(part / "supervisor", "cgroup.procs")
    (tmp_path / "own").write_text("0::/system.slice/edgewright-agent.service\n")
    try:
        os.setxattr(part, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system keeps no attributes")

    groups = Groups.find(tree, tmp_path / "own")

    assert groups is not None
    assert (part / "supervisor" / "cgroup.procs").read_text() == "12"
    assert (part / "cgroup.subtree_control").read_text().startswith("+")


def test_an_agent_that_begins_anew_finds_its_part_from_the_leaf_that_it_has_moved_into(tmp_path):
    tree = looks_like(tmp_path / "tree")
    part = looks_like(tree / "system.slice" / "edgewright-agent.service", controllers="memory pids")
    looks_like(part / "supervisor")
    (tmp_path / "own").write_text("0::/system.slice/edgewright-agent.service/supervisor\n")
    try:
        os.setxattr(part, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system keeps no attributes")

    groups = Groups.find(tree, tmp_path / "own")
    assert groups is not None
    groups.make("digits")

    assert (part / "digits").is_dir()
    assert not (part / "supervisor" / "supervisor").exists()


@pytest.mark.parametrize("own", ["0::/\n", "0::/system.slice/other.service\n", "4:memory:/x\n", "0::/../up\n", ""])
def test_where_no_part_was_given_to_it_the_agent_leaves_the_tree_alone(tmp_path, own):
    tree = looks_like(tmp_path / "tree")
    (tree / "cgroup.type").unlink()  # the root
    looks_like(tree / "system.slice" / "other.service")
    (tmp_path / "own").write_text(own)

    assert Groups.find(tree, tmp_path / "own") is None or os.getuid() != 0
    assert not (tree / "supervisor").exists()


def test_a_machine_without_control_groups_is_no_fault(tmp_path):
    assert Groups.find(tmp_path / "none", tmp_path / "nothing") is None
