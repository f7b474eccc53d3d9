"""Which package of a release fits a device: pure, with a reason where none does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.contract.api import DeviceRecord, PackageRecord
from edgewright.contract.errors import Refused
from edgewright.contract.manifest import Manifest

TARGET_LABEL = "target"


class NoDeviceFits(Refused):
    code = "no_device_fits"
    hint = "Where no target fits, make a variant that does: `edgewright optimize run MODEL@VERSION --target TARGET`."


@dataclass(frozen=True)
class Offer:
    """A package of the release, with its manifest."""

    package: PackageRecord
    manifest: Manifest


def choose(device: DeviceRecord, offers: Sequence[Offer], target: str = "") -> Offer | str:
    """The package for this device, or the reason why there is none.

    A `target` that was asked for must fit. Else the device's own label `target` counts if that package fits; else
    the package of the fewest bytes that fits, by target name where bytes are equal.
    """
    if target:
        offer = next((offer for offer in offers if offer.package.target == target), None)
        if offer is None:
            return f"the release has no package for target {target}"
        return misfit(device, offer.manifest) or offer
    misfits = {offer.package.target: misfit(device, offer.manifest) for offer in offers}
    fitting = [offer for offer in offers if not misfits[offer.package.target]]
    if not fitting:
        return "; ".join(f"{name}: {why}" for name, why in sorted(misfits.items())) or "the release has no packages"
    labelled = device.labels.get(TARGET_LABEL)
    return min(fitting, key=lambda o: (o.package.target != labelled, o.package.size_bytes, o.package.target))


def misfit(device: DeviceRecord, manifest: Manifest) -> str:
    """Why a device cannot run a package; '' if it can."""
    runtime = manifest.runtime
    version = device.runtimes.get(runtime.name)
    if device.arch not in manifest.hardware:
        return f"needs {' or '.join(manifest.hardware)}, the device is {device.arch}"
    if manifest.hardware_ids and set(manifest.hardware_ids).isdisjoint(device.hardware_ids):
        return (
            f"needs {' or '.join(manifest.hardware_ids)}, the device is {', '.join(device.hardware_ids) or 'unnamed'}"
        )
    if version is None:
        return f"needs the runtime {runtime.name}, the device has {', '.join(device.runtimes) or 'none'}"
    if not runtime.takes(version):
        return f"needs {runtime.name} from {runtime.minimum} to below {runtime.below}, the device has {version}"
    providers = device.providers.get(runtime.name)
    if providers is not None and runtime.provider not in providers:
        return f"needs {runtime.name} with {runtime.provider}, the device has {', '.join(providers) or 'nothing'}"
    if 0 < device.ram_bytes < manifest.budgets.memory_bytes:
        return f"needs {manifest.budgets.memory_bytes} bytes of memory, the device has {device.ram_bytes}"
    serving = {model.model: model.counter for model in device.models}
    for needed in manifest.dependencies:
        if serving.get(needed.model, 0) < needed.minimum_counter:
            return f"needs {needed.model} from release {needed.minimum_counter} on, which does not serve there yet"
    return ""
