"""Why a device will not measure a package: it measures only what it might install. Pure."""

from __future__ import annotations

from edgewright.agent.install import misfit
from edgewright.agent.states import ModelRecord
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Bench
from edgewright.contract.report import Capabilities

MIB = 1024 * 1024
SPARE_SHARE = 0.05  # of the machine's memory, which stays free beside what is measured


def refusal(bench: Bench, manifest: Manifest, record: ModelRecord, device: Capabilities, memory_max_bytes: int) -> str:
    """'' where the package may be loaded. `record` is the model's; models here may take `memory_max_bytes` (0: all).

    A hub in wrong hands must not get an old package run by way of a bench: the counter floor holds as for an install.
    """
    if bench.counter < record.floor:
        return f"release {bench.counter} is older than release {record.floor}, below which this device never goes"
    if why := record.rejected.get(bench.manifest_sha256):
        return f"this device has rejected the package: {why}"
    needed_bytes = manifest.budgets.memory_bytes
    bounds = (("the device has", device.ram_bytes), ("models here may take", memory_max_bytes))
    for what, bound_bytes in bounds:
        if 0 < bound_bytes < needed_bytes:
            return f"the package may take {needed_bytes // MIB} MiB of memory, {what} {bound_bytes // MIB} MiB"
    return misfit(manifest, device)


def shortage(manifest: Manifest, available_bytes: int | None, ram_bytes: int) -> str:
    """Why memory does not admit it at this moment; '' where it does, or nobody knows."""
    needed_bytes = manifest.budgets.memory_bytes + round(SPARE_SHARE * ram_bytes)
    if available_bytes is None or available_bytes >= needed_bytes:
        return ""
    return f"a bench waits for {needed_bytes // MIB} MiB of memory, {available_bytes // MIB} MiB are free"
