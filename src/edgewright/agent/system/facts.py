"""What the agent measures of its machine, without importing any runtime."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from edgewright import __version__
from edgewright.agent.system.accelerators import find_accelerators
from edgewright.agent.system.place import find_link_kind, find_time_zone
from edgewright.agent.system.runtimes import find_runtimes
from edgewright.contract.report import Capabilities

DEVICE_TREE = Path("/proc/device-tree")
MAX_COMPATIBLE_BYTES = 4096
MAX_HARDWARE_IDS = 32


def measure(folder: Path, hardware_ids: Sequence[str] = (), time_zone: str = "") -> Capabilities:
    """This machine as it is now; `folder` is the agent's, on the disk that the slots use.

    `hardware_ids` are those that people have set, which count where the machine does not tell any (in a container);
    `time_zone` is the one that people have set, '' for the machine's own.
    """
    found = find_runtimes(folder)
    providers = {name: one.providers for name, one in found.items()}
    return Capabilities(
        arch=platform.machine(),
        cores=os.cpu_count() or 1,
        ram_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_free_bytes=shutil.disk_usage(folder).free,
        runtimes={name: one.version for name, one in found.items()},
        providers=providers,
        agent_version=__version__,
        python=platform.python_version(),
        hardware_ids=read_hardware_ids(DEVICE_TREE) or tuple(hardware_ids),
        accelerators=find_accelerators(providers),
        link_kind=find_link_kind(),
        time_zone=find_time_zone(time_zone),
    )


def read_hardware_ids(device_tree: Path) -> tuple[str, ...]:
    """The machine's `compatible` strings, the most particular first; none where no devicetree describes it.

    Devicetree Specification 0.4, section 2.3.1: strings that end in a zero byte.
    """
    try:
        words = (device_tree / "compatible").read_bytes()[:MAX_COMPATIBLE_BYTES].split(b"\0")
        return tuple(word.decode("ascii") for word in words if word)[:MAX_HARDWARE_IDS]
    except (OSError, UnicodeDecodeError):
        return ()
