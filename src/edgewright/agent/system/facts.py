"""What the agent measures of its machine, without importing any runtime."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import metadata
from pathlib import Path

from edgewright import __version__, plugins
from edgewright.agent.runtimes import GROUP
from edgewright.contract.report import Capabilities


def measure(folder: Path) -> Capabilities:
    """This machine as it is now; `folder` lies on the disk that the slots use."""
    return Capabilities(
        arch=platform.machine(),
        cores=os.cpu_count() or 1,
        ram_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_free_bytes=shutil.disk_usage(folder).free,
        runtimes=_installed_runtimes(),
        agent_version=__version__,
        python=platform.python_version(),
    )


def _installed_runtimes() -> dict[str, str]:
    """Versions by name: a runtime's plug-in is named after the distribution that brings the runtime."""
    found: dict[str, str] = {}
    for name in plugins.names(GROUP):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
