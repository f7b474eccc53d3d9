"""The emulated arm64 machine, where it cannot be made and where it was."""

from __future__ import annotations

import subprocess

import pytest

from edgewright.hub.optimize.toolchains import toolchain
from edgewright.hub.optimize.toolchains.arm64 import STARTER, NoDebian


def test_without_debian_s_tools_it_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    with pytest.raises(NoDebian, match="no apt-get here"):
        toolchain("arm64").build(tmp_path, lambda done, total: None)

    assert list(tmp_path.iterdir()) == []


def test_its_python_is_found_from_wherever_the_folder_lies(tmp_path):
    folder = tmp_path / "with spaces" / "arm64"
    (folder / "bin").mkdir(parents=True)
    for name, text in (("python", STARTER.format(python="3.11")), ("qemu", '#!/bin/sh\necho "$@"\n')):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)

    said = subprocess.run([folder / "bin" / "python", "-I", "x.py"], capture_output=True, text=True, check=True).stdout

    assert said.strip() == f"-L {folder}/sysroot {folder}/sysroot/usr/bin/python3.11 -I x.py"
