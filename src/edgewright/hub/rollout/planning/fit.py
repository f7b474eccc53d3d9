"""Which package of a release fits a device: pure, with a reason where none does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgewright.contract.api import DeviceRecord, PackageRecord
from edgewright.contract.errors import Refused
from edgewright.contract.manifest import Manifest, Role
from edgewright.hub.fleet import DeviceFacts, hardware_class

TARGET_LABEL = "target"


class NoDeviceFits(Refused):
    code = "no_device_fits"
    hint = "Where no target fits, make a variant that does: `edgewright optimize run MODEL@VERSION --target TARGET`."


@dataclass(frozen=True)
class Offer:
    """A package of the release, with its manifest."""

    package: PackageRecord
    manifest: Manifest

    @property
    def model_sha256(self) -> str:
        """The digest of the model's file; '' where the package has none."""
        model = self.manifest.find(Role.MODEL)
        return model.sha256 if model else ""


@dataclass(frozen=True)
class Measured:
    """What devices of one hardware class took for a package: medians over `devices` of them."""

    latency_p95_ms: float
    memory_bytes: int
    devices: int


MeasuredOf = Mapping[str, Mapping[str, Measured]]
"""Measurements by the digest of the model's file and the hardware class."""


class Serving(Protocol):
    """One model on a device."""

    @property
    def model(self) -> str:
        """Its name."""

    @property
    def counter(self) -> int:
        """The release that runs."""


class Fitted(Protocol):
    """What fitting needs to know of a device."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""

    @property
    def arch(self) -> str:
        """The machine's architecture."""

    @property
    def ram_bytes(self) -> int:
        """0 where it is not known."""

    @property
    def hardware_ids(self) -> Sequence[str]:
        """Devicetree `compatible` strings."""

    @property
    def runtimes(self) -> Mapping[str, str]:
        """Versions by name."""

    @property
    def providers(self) -> Mapping[str, Sequence[str]]:
        """By runtime; left out where they are not known."""

    @property
    def models(self) -> Sequence[Serving]:
        """What it runs."""


class Fits:
    """Chooses packages for very many devices: what fits one device of a capability class fits all of it.

    Beside what a package asks for it looks at what was measured on that hardware class.
    """

    def __init__(self, offers: Sequence[Offer], measured: MeasuredOf | None = None) -> None:
        self.offers = offers
        self._measured = measured or {}
        self.needed = sorted({needed.model for offer in offers for needed in offer.manifest.dependencies})
        self._chosen: dict[tuple[object, ...], Offer | str] = {}

    def choose(self, device: DeviceFacts, target: str = "") -> Offer | str:
        """The package for this device, or the reason why there is none."""
        key = (*self.kind(device), target)
        if key not in self._chosen:
            self._chosen[key] = choose(device, self.offers, target, self.on(device.machine.hardware))
        return self._chosen[key]

    def kind(self, device: DeviceFacts) -> tuple[object, ...]:
        """What decides its fit: devices of one kind fit alike."""
        return (id(device.machine), device.labels.get(TARGET_LABEL), *map(device.counter, self.needed))

    def obstacle(self, device: DeviceFacts, offer: Offer) -> str:
        """Why this device cannot get this package; '' if it can."""
        return _obstacle(device, offer, self.on(device.machine.hardware))

    def choose_for(self, device: DeviceRecord) -> Offer | str:
        """The package for one device, or the reason why there is none."""
        hardware = hardware_class(device.arch, device.cores, device.hardware_ids)
        return choose(device, self.offers, measured=self.on(hardware))

    def on(self, hardware: str) -> dict[str, Measured]:
        """What was measured on a hardware class, by the digest of the package's manifest."""
        found = {}
        for offer in self.offers:
            measured = self._measured.get(offer.model_sha256, {}).get(hardware)
            if measured is not None:
                found[offer.package.manifest_sha256] = measured
        return found


def choose(
    device: Fitted, offers: Sequence[Offer], target: str = "", measured: Mapping[str, Measured] | None = None
) -> Offer | str:
    """The package for this device, or the reason why there is none.

    A `target` that was asked for must fit. Else the device's own label `target` counts if that package fits; else
    the package of the fewest bytes that fits, by target name where bytes are equal. `measured` is what packages took
    on this device's hardware class, by the digest of the manifest.
    """
    misfits = {offer.package.target: _obstacle(device, offer, measured or {}) for offer in offers}
    if target:
        return misfits.get(target, f"the release has no package for target {target}") or next(
            offer for offer in offers if offer.package.target == target
        )
    fitting = [offer for offer in offers if not misfits[offer.package.target]]
    if not fitting:
        return "; ".join(f"{name}: {why}" for name, why in sorted(misfits.items())) or "the release has no packages"
    labelled = device.labels.get(TARGET_LABEL)
    return min(fitting, key=lambda o: (o.package.target != labelled, o.package.size_bytes, o.package.target))


def misfit(device: Fitted, manifest: Manifest) -> str:
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


def overspend(manifest: Manifest, measured: Measured) -> str:
    """Which budget a package broke where it was measured on the device's own hardware class; '' for none."""
    budgets, by = manifest.budgets, f"measured on {measured.devices} of its kind"
    if 0 < budgets.latency_p95_ms < measured.latency_p95_ms:
        return f"takes {measured.latency_p95_ms:.3g} ms at p95 ({by}), its budget is {budgets.latency_p95_ms:.3g} ms"
    if 0 < budgets.memory_bytes < measured.memory_bytes:
        return f"takes {measured.memory_bytes} bytes of memory ({by}), its budget is {budgets.memory_bytes}"
    return ""


def _obstacle(device: Fitted, offer: Offer, measured: Mapping[str, Measured]) -> str:
    told = measured.get(offer.package.manifest_sha256)
    return misfit(device, offer.manifest) or (overspend(offer.manifest, told) if told else "")
