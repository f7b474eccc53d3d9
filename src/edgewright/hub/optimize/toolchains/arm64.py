"""An emulated arm64 machine as a toolchain: Debian's Python and ONNX Runtime's wheel, run by QEMU. No root is needed.

Debian's packages come through apt with lists of its own, so that the machine's configuration stays as it is; they are
unpacked, never installed. `bin/python` is a script that has QEMU run the arm64 Python.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgewright.contract.errors import Refused
from edgewright.hub.optimize.toolchains.model import Build, Tell
from edgewright.hub.optimize.toolchains.pinned import PIP, run

PYTHON = "3.11"  # Debian 12's
EMULATOR = "qemu-aarch64-static"
FOREIGN = (
    f"python{PYTHON}-minimal",
    f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libssl3",
    "libstdc++6",
    "zlib1g",
)
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
STARTER = """#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
exec "$here/bin/qemu" -L "$here/sysroot" "$here/sysroot/usr/bin/python{python}" "$@"
"""


class NoDebian(Refused):
    code = "no_debian"
    hint = "The emulated arm64 machine is made of Debian 12's packages: install it on Debian 12, or go without."


def emulated(versions: Mapping[str, str]) -> Build:
    """A build of an arm64 machine that has these wheels."""

    def build(folder: Path, tell: Tell) -> None:
        for tool in ("apt-get", "dpkg-deb", "dpkg"):
            if shutil.which(tool) is None:
                raise NoDebian(f"there is no {tool} here", field="name")
        with tempfile.TemporaryDirectory(prefix="apt-", dir=folder) as work:
            _unpack(Path(work), folder, tell)
        _install_wheels(versions, folder, tell)
        starter = folder / "bin" / "python"
        starter.write_text(STARTER.format(python=PYTHON))
        starter.chmod(0o755)

    return build


def _unpack(work: Path, folder: Path, tell: Tell) -> None:
    """Debian's packages into folder/sysroot, and the emulator to folder/bin/qemu."""
    apt = _apt(work)
    run([*apt, "update"], folder, tell, cwd=work)
    found = shutil.which(EMULATOR)
    wanted = [f"{name}:arm64" for name in FOREIGN] + ([] if found else ["qemu-user-static"])
    run([*apt, "download", *wanted], folder, tell, cwd=work)
    native = folder / "native"
    for package in sorted(work.glob("*.deb")):
        place = folder / "sysroot" if package.name.endswith("_arm64.deb") else native
        run(["dpkg-deb", "-x", str(package), str(place)], folder, tell)
    (folder / "bin").mkdir()
    shutil.copy2(found or native / "usr" / "bin" / EMULATOR, folder / "bin" / "qemu")
    shutil.rmtree(native, ignore_errors=True)


def _apt(work: Path) -> list[str]:
    """apt-get for both architectures, with state in `work` and nothing installed."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    settings = {
        "Dir::State": str(work / "state"),
        "Dir::State::status": str(work / "status"),
        "Dir::Cache": str(work / "cache"),
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "",
    }
    return ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]


def _install_wheels(versions: Mapping[str, str], folder: Path, tell: Tell) -> None:
    place = folder / "sysroot" / "usr" / "lib" / "python3" / "dist-packages"
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    wanted = [f"{name}=={version}" for name, version in sorted(versions.items())]
    pip = [sys.executable, *PIP, f"--target={place}", f"--python-version={PYTHON}", *platforms, *wanted]
    run(pip, folder, tell)
