"""Hatch's build hook: bakes the time of the build into the distribution, the same for the same sources.

It is SOURCE_DATE_EPOCH (reproducible-builds.org) where that is set, else the time of the last commit; a wheel that is
built from a source distribution takes the time that it carries. Devices believe no time before it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "built_at.txt"


class BuildTime(BuildHookInterface[Any]):
    """Puts built_at.txt beside the package's modules, in the distribution alone: a checkout has not been built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file to what is being built."""
        moment = _moment(Path(self.root))
        if version == "editable" or not moment:
            return
        path = Path(tempfile.mkdtemp()) / NAME
        path.write_text(f"{moment}\n", encoding="ascii")
        folder = "edgewright" if self.target_name == "wheel" else "src/edgewright"
        build_data["force_include"][str(path)] = f"{folder}/{NAME}"


def _moment(root: Path) -> str:
    """Seconds since the epoch; '' where nothing tells."""
    carried = root / "src" / "edgewright" / NAME
    if said := os.environ.get("SOURCE_DATE_EPOCH", ""):
        return said
    if carried.exists():
        return carried.read_text(encoding="ascii").strip()
    told = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True, check=False)
    return told.stdout.strip()
