"""Toolchains: environments of their own for compilers that cannot live beside the rest (each has its own Python).

A toolchain NAME is a folder `FOLDER/NAME` with `bin/python`. `EDGEWRIGHT_TOOLCHAINS` names the folder where the hub's
own (`toolchains/` in its data folder) is not meant.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "EDGEWRIGHT_TOOLCHAINS"


def installed(default: Path) -> dict[str, Path]:
    """The Pythons of all toolchains, by name, in the folder of the environment variable or else in `default`."""
    folder = Path(os.environ.get(VARIABLE) or default)
    pythons = sorted(folder.glob("*/bin/python"))
    return {python.parent.parent.name: python.absolute() for python in pythons}
