"""What a worker tells of the machine that it runs on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from edgewright import __version__
from edgewright.contract.api.workers import Machine


def describe(labels: Mapping[str, str]) -> Machine:
    """This machine, with its architecture as the label `arch` unless `labels` say another."""
    return Machine(
        labels={"arch": platform.machine(), **labels},
        cpus=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        program=__version__,
    )
