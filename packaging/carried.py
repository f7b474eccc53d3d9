"""What the agent's .deb carries: `carried.py version | requirements | prune FOLDER`.

Only the standard library, as it runs before anything is installed.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

CLIENTS = {"httpx", "rich", "typer"}
"""Dependencies of the base package that only the client and its command import."""

UNUSED = {
    # of edgewright itself: what never runs on a device
    "edgewright/hub", "edgewright/client", "edgewright/cli", "edgewright/sim", "edgewright/contract/delta/maker",
    # tuf.ngclient, which the agent's own client replaces, brings urllib3
    "tuf/ngclient", "urllib3",
    # what ONNX Runtime brings for making models; computing needs none of it
    "onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/tools", "onnxruntime/datasets",
    "onnxruntime/backend", "sympy", "mpmath", "coloredlogs", "humanfriendly", "isympy.py",
    "google", "protobuf", "flatbuffers", "packaging",
    # the HTTP parser in Python, beside httptools
    "h11",
    # numpy for those who build against it, or test it
    "numpy/f2py", "numpy/testing", "numpy/distutils", "numpy/_core/include", "numpy/_core/lib", "numpy/_pyinstaller",
    "numpy/typing/tests",
    # parsing C: cffi's compiled half is all that cryptography imports
    "cffi", "pycparser",
    # signers that are no device's
    "securesystemslib/_vendor/ed25519/test_data", "bin", "share", "man",
}  # fmt: skip
"""Paths in the folder; where the whole of a distribution goes, its facts go too."""

NEVER = re.compile(
    r"(^|/)(tests?|__pycache__)(/|$)"
    r"|\.(pyi|pyx|pxd|c|h|cpp|hpp|lib|a)$"
    r"|(^|/)(RECORD|INSTALLER|REQUESTED|direct_url\.json|\.git\w+)$"
)


def main(arguments: list[str]) -> None:
    """Do what the first word says."""
    deed, *rest = arguments
    if deed == "version":
        sys.stdout.write(_project()["version"] + "\n")
    elif deed == "requirements":
        sys.stdout.write("".join(f"{one}\n" for one in requirements()))
    else:
        prune(Path(rest[0]))
        sys.stdout.write("".join(f"{one}\n" for one in versions(Path(rest[0]))))


def requirements() -> list[str]:
    """The base package's dependencies without the client's."""
    return [one for one in _project()["dependencies"] if _name(one) not in CLIENTS]


def is_carried(path: str) -> bool:
    """Whether a file, by its path below the folder that pip fills, is for a device."""
    parts = path.split("/")
    facts = parts[0].partition("-")[0] if parts[0].endswith(".dist-info") else ""
    above = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return not (above & UNUSED or facts in UNUSED or NEVER.search(path))


def prune(folder: Path) -> None:
    """Remove what a device does not need; what is left is compiled afterwards."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not is_carried(path.relative_to(folder).as_posix()):
            _remove(path)
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def versions(folder: Path) -> list[str]:
    """What is carried, as constraints for pip."""
    found = (path.name.removesuffix(".dist-info").split("-") for path in folder.glob("*.dist-info"))
    return sorted(f"{name}=={version}" for name, version in found)


def _project() -> dict[str, Any]:
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]


def _name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9_.-]+", requirement)[0].lower()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
