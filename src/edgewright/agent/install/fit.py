"""Whether a package fits this machine: architecture, runtime, disk. Pure."""

from __future__ import annotations

from edgewright.agent.install.fetch import needed_bytes
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Fetch
from edgewright.contract.report import Capabilities


def misfit(manifest: Manifest, device: Capabilities, fetches: tuple[Fetch, ...] = ()) -> str:
    """Why the package cannot run here, or cannot come here by those deltas ('' where it can)."""
    if device.arch not in manifest.hardware:
        return f"the package is for {', '.join(manifest.hardware)}; this device is {device.arch}"
    runtime = manifest.runtime
    version = device.runtimes.get(runtime.name)
    if version is None:
        return f"the package needs the runtime {runtime.name}, which is not installed"
    if not runtime.takes(version):
        return f"{runtime.name} {version} is installed; the package needs {runtime.minimum} up to {runtime.below}"
    needed = needed_bytes(manifest, fetches)
    if device.disk_free_bytes < needed:
        return f"the install needs {needed} bytes of disk, {device.disk_free_bytes} are free"
    return ""
