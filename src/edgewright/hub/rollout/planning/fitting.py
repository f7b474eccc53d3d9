"""Which devices a release fits, package by package, with what was measured on their hardware. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from edgewright.contract.api import (
    ClassFigure,
    FitRecord,
    PackageFit,
    Place,
    ReleaseRecord,
    VariantRecord,
)
from edgewright.hub.fleet import DeviceFacts
from edgewright.hub.rollout.planning.fit import Fits, Offer
from edgewright.hub.rollout.planning.forecast import group_misfits

TRUST = tuple(Place)
"""Places of figures, the least trusted first."""


def who_fits(
    release: ReleaseRecord,
    group: str,
    fits: Fits,
    devices: Sequence[DeviceFacts],
    variants: Mapping[str, VariantRecord],
) -> FitRecord:
    """Which of `devices` get which package, and why the others get none. `variants` are the release's, by target."""
    choices = {device.id: fits.choose(device) for device in devices}
    refused = _refused(choices)
    chosen = Counter(choice.package.target for choice in choices.values() if isinstance(choice, Offer))
    kinds = {fits.kind(device): device for device in devices}
    counts = Counter(map(fits.kind, devices))
    crowd = [(device, counts[kind]) for kind, device in kinds.items()]
    packages = tuple(
        _package(offer, fits, crowd, chosen[offer.package.target], variants.get(offer.package.target))
        for offer in fits.offers
    )
    return FitRecord(
        release=release.id,
        group=group,
        devices=len(devices),
        fitting=len(devices) - len(refused),
        packages=packages,
        misfits=group_misfits(refused),
        warnings=_warnings(packages),
    )


def who_fits_nothing(fits: Fits, devices: Sequence[DeviceFacts]) -> dict[str, str]:
    """Why those of `devices` that get no package get none, by their ids."""
    return _refused({device.id: fits.choose(device) for device in devices})


def _refused(choices: Mapping[str, Offer | str]) -> dict[str, str]:
    return {id: choice for id, choice in choices.items() if isinstance(choice, str)}


def _package(
    offer: Offer, fits: Fits, crowd: Sequence[tuple[DeviceFacts, int]], chosen: int, variant: VariantRecord | None
) -> PackageFit:
    """`crowd` has one device of every kind, and how many there are of it."""
    total, fitting = Counter[str](), Counter[str]()
    for device, count in crowd:
        total[device.machine.hardware] += count
        fitting[device.machine.hardware] += 0 if fits.obstacle(device, offer) else count
    figures = [
        figure
        for hardware, devices in total.most_common()
        if (figure := _figure(offer, fits, hardware, devices, fitting[hardware], variant))
    ]
    budgets = offer.manifest.budgets
    return PackageFit(
        target=offer.package.target,
        manifest_sha256=offer.package.manifest_sha256,
        size_bytes=offer.package.size_bytes,
        latency_budget_ms=budgets.latency_p95_ms,
        memory_budget_bytes=budgets.memory_bytes,
        fitting=fitting.total(),
        chosen=chosen,
        figures=tuple(figures),
    )


def _figure(
    offer: Offer, fits: Fits, hardware: str, devices: int, fitting: int, variant: VariantRecord | None
) -> ClassFigure | None:
    """None where nothing is known, or the package neither fits there nor was measured."""
    measured = fits.on(hardware).get(offer.package.manifest_sha256)
    if measured is not None:
        return ClassFigure(
            hardware=hardware,
            devices=devices,
            fitting=fitting,
            latency_p95_ms=measured.latency_p95_ms,
            memory_bytes=measured.memory_bytes,
            place=Place.DEVICE,
            measured_on=measured.devices,
        )
    if variant is None or not fitting:
        return None
    return ClassFigure(
        hardware=hardware,
        devices=devices,
        fitting=fitting,
        latency_p95_ms=variant.latency_p95_ms,
        memory_bytes=variant.memory_bytes,
        place=min(variant.latency_place, variant.memory_place, key=TRUST.index),
    )


def _warnings(packages: Sequence[PackageFit]) -> tuple[str, ...]:
    found = []
    for package in packages:
        unmeasured = [figure.hardware for figure in package.figures if figure.fitting and not figure.measured_on]
        if unmeasured and package.chosen:
            named = ", ".join(unmeasured[:3]) + (f" and {len(unmeasured) - 3} more" if len(unmeasured) > 3 else "")
            found.append(f"{package.target} was never measured on {named}: `edgewright bench` does so before a rollout")
    return tuple(found)
