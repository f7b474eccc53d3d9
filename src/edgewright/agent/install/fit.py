"""Whether a package fits this machine: architecture, hardware ids, runtime, the other models, the apps. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgewright.agent.disk import Declaration
from edgewright.contract.manifest import Manifest
from edgewright.contract.report import Capabilities
from edgewright.contract.requirement import shortfalls


def misfit(manifest: Manifest, device: Capabilities) -> str:
    """Why the package cannot run here ('' where it can)."""
    if device.arch not in manifest.hardware:
        return f"the package is for {', '.join(manifest.hardware)}; this device is {device.arch}"
    if manifest.hardware_ids and set(manifest.hardware_ids).isdisjoint(device.hardware_ids):
        found = ", ".join(device.hardware_ids) or "without a hardware id"
        return f"the package is for {', '.join(manifest.hardware_ids)}; this device is {found}"
    runtime = manifest.runtime
    version = device.runtimes.get(runtime.name)
    if version is None:
        return f"the package needs the runtime {runtime.name}, which is not installed"
    if not runtime.takes(version):
        return f"{runtime.name} {version} is installed; the package needs {runtime.minimum} up to {runtime.below}"
    providers = device.providers.get(runtime.name)
    if providers is not None and runtime.provider not in providers:
        found = ", ".join(providers) or "nothing"
        return f"the package needs {runtime.name} with {runtime.provider}; on this device it computes with {found}"
    return ""


def lack(manifest: Manifest, counter_of: Callable[[str], int]) -> str:
    """Which other model that the package needs does not serve here yet ('' for none).

    `counter_of` gives the release counter of what serves of a model; 0 where nothing does.
    """
    for needed in manifest.dependencies:
        counter = counter_of(needed.model)
        if counter < needed.minimum_counter:
            found = f"release {counter} serves" if counter else "it is not here"
            return f"the package needs {needed.model} from release {needed.minimum_counter} on; {found}"
    return ""


def unsatisfied(manifest: Manifest, declared: Iterable[Declaration]) -> str:
    """Which apps on this device require something else of the contract ('' where it satisfies all)."""
    found = [
        f"the app '{one.app}' could not use it: {'; '.join(short)}"
        for one in declared
        if (short := shortfalls(one.wanted, manifest.contract))
    ]
    return "; ".join(found)
