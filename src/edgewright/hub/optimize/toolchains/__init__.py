"""Toolchains: environments of their own for compilers that cannot live beside the rest (each has its own Python).

A toolchain NAME is a folder `FOLDER/NAME` with `bin/python`. `EDGEWRIGHT_TOOLCHAINS` names the folder where the hub's
own (`toolchains/` in its data folder) is not meant. What is half-made has a name that begins with a dot.
"""

from __future__ import annotations

import os
from pathlib import Path

from edgewright.hub.optimize.toolchains.library import TOOLCHAINS, toolchain
from edgewright.hub.optimize.toolchains.making import ToolchainFails, installations, make, remove
from edgewright.hub.optimize.toolchains.model import Installation, Toolchain

VARIABLE = "EDGEWRIGHT_TOOLCHAINS"


def folder(default: Path) -> Path:
    """Where toolchains lie: the environment variable's folder, or else `default`."""
    return Path(os.environ.get(VARIABLE) or default)


def installed(default: Path) -> dict[str, Path]:
    """The Pythons of all whole toolchains, by name, in the folder of the environment variable or else in `default`."""
    pythons = sorted(folder(default).glob("[!.]*/bin/python"))
    return {python.parent.parent.name: python.absolute() for python in pythons}


__all__ = [
    "Installation",
    "TOOLCHAINS",
    "Toolchain",
    "ToolchainFails",
    "VARIABLE",
    "folder",
    "installations",
    "installed",
    "make",
    "remove",
    "toolchain",
]
