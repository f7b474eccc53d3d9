"""Toolchains made of pinned wheels: a venv, and pip."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewright.contract.errors import Refused
from edgewright.hub.optimize.toolchains.model import Build, Tell

PIP = (
    "-m",
    "pip",
    "--disable-pip-version-check",
    "--no-input",
    "--quiet",
    "install",
    "--no-deps",
    "--only-binary=:all:",
)
"""Nothing but what is pinned, and nothing that would run code to be built."""

TAIL_CHARS = 1500
TELL_EVERY_S = 0.5


class PackagesFail(Refused):
    code = "packages_fail"
    hint = "Packages come from pip's index: check the network, and pip's configuration."


def pinned(versions: Mapping[str, str]) -> Build:
    """A build of exactly these distributions."""

    def build(folder: Path, tell: Tell) -> None:
        run([sys.executable, "-m", "venv", str(folder)], folder, tell)
        wanted = [f"{name}=={version}" for name, version in sorted(versions.items())]
        run([str(folder / "bin" / "python"), *PIP, *wanted], folder, tell)

    return build


def run(argv: Sequence[str], folder: Path, tell: Tell, *, cwd: Path | None = None) -> None:
    """Run a command that fills `folder`, and tell how full it is; raises PackagesFail with the end of its words."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd)
        try:
            while process.poll() is None:
                tell(size_bytes(folder), 0)
                _wait(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        output.seek(0)
        words = output.read().decode("utf-8", "replace").strip()
    if process.returncode:
        raise PackagesFail(f"{Path(argv[0]).name} {argv[2]} ended with {process.returncode}: {words[-TAIL_CHARS:]}")


def size_bytes(folder: Path) -> int:
    """Of all files in a folder, which may change meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_symlink() else path.stat().st_size * path.is_file()
        except OSError:
            continue
    return total


def _wait(process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + TELL_EVERY_S
    try:
        process.wait(until - time.monotonic())
    except subprocess.TimeoutExpired:
        return
