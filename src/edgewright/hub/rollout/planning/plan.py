"""From a draft to a plan: which device gets which package, in which wave, before anything is started. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from edgewright.contract.api import DeviceState, ReleaseRecord, RolloutDraft, WaveDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.fleet import DeviceFacts, Selector
from edgewright.hub.rollout.model import EmptyGroup
from edgewright.hub.rollout.planning.checks import check_labels
from edgewright.hub.rollout.planning.fit import Fits, NoDeviceFits, Offer
from edgewright.hub.rollout.planning.order import Kind, canary_order, reachable
from edgewright.hub.rollout.planning.waves import PlannedWave, plan_waves, wave_drafts

SITE_LABEL = "site"
AT_ONCE = (WaveDraft(percent=100),)
"""An emergency has one wave."""


@dataclass(frozen=True)
class Plan:
    """The waves, the package of each device in them, and why the others are in none.

    `has_bases`: some of these devices run the model already, so that deltas can be of use. `devices` are all of the
    group, by id.
    """

    waves: tuple[PlannedWave, ...]
    offers: Mapping[str, Offer]
    already: tuple[str, ...]
    refused: Mapping[str, str]
    has_bases: bool
    devices: Mapping[str, DeviceFacts]


@dataclass(frozen=True)
class Past:
    """What was decided or happened before: what devices rolled back by themselves, and whom people keep out.

    `rolled_back` are digests of manifests by device; `kept_out` are reasons by device.
    """

    rolled_back: Mapping[str, Collection[str]] = field(default_factory=dict)
    kept_out: Mapping[str, str] = field(default_factory=dict)


def make_plan(
    draft: RolloutDraft,
    release: ReleaseRecord,
    fits: Fits,
    devices: Sequence[DeviceFacts],
    past: Past,
    now: float,
) -> Plan:
    """Plan a rollout to `devices`, the members of its group.

    Raises EmptyGroup, NoDeviceFits, or InvalidInput naming the field.
    """
    if not devices:
        raise EmptyGroup(f"the group '{draft.group}' has no devices", field="group")
    _check_targets(draft, release, devices)
    check_labels(draft, devices)
    chosen, refused, already = _sort_out(draft, release, fits, devices, past)
    if not chosen:
        raise NoDeviceFits(_none_fits(draft, release, already, refused), field="group")
    selected = _selected(draft, devices)
    running = {device.id for device in devices if device.counter(release.model)}
    seen_at, polls = {one.id: one.seen_at for one in devices}, {one.id: one.poll_s for one in devices}
    canaries = reachable(seen_at, draft.gate.patience_s, now, polls)
    order = canary_order(chosen, canaries, running, release.id, _kinds(devices, spread_label(draft)))
    return Plan(
        tuple(plan_waves(order, AT_ONCE if draft.emergency else draft.waves, selected)),
        chosen,
        already,
        refused,
        has_bases=not running.isdisjoint(chosen),
        devices={device.id: device for device in devices},
    )


def spread_label(draft: RolloutDraft) -> str:
    """The label by which a draft tells sites apart."""
    return next(iter([budget.per for budget in draft.budgets] + [cap.per for cap in draft.caps]), SITE_LABEL)


def _kinds(devices: Sequence[DeviceFacts], label: str) -> dict[str, Kind]:
    machines = {id(device.machine): device.machine for device in devices}
    hardware = {key: machine.hardware for key, machine in machines.items()}
    return {device.id: (hardware[id(device.machine)], device.labels.get(label, "")) for device in devices}


def _sort_out(
    draft: RolloutDraft, release: ReleaseRecord, fits: Fits, devices: Sequence[DeviceFacts], past: Past
) -> tuple[dict[str, Offer], dict[str, str], tuple[str, ...]]:
    """The packages of those who get one, the reasons of those who do not, and those who run the release already."""
    chosen, refused, already = dict[str, Offer](), dict[str, str](), list[str]()
    for device in devices:
        counter = device.counter(release.model)
        offer = fits.choose(device, draft.target_of.get(device.id, draft.target))
        if counter == release.counter:
            already.append(device.id)
        elif counter > release.counter:
            refused[device.id] = f"runs a newer release, {release.model}/{counter}"
        elif device.state is not DeviceState.ACTIVE:
            refused[device.id] = f"is {device.state}"
        elif device.id in past.kept_out:
            refused[device.id] = past.kept_out[device.id]
        elif isinstance(offer, str):
            refused[device.id] = offer
        elif offer.package.manifest_sha256 in past.rolled_back.get(device.id, ()):
            refused[device.id] = "has rolled this release back before"
        else:
            chosen[device.id] = offer
    return chosen, refused, tuple(already)


def _selected(draft: RolloutDraft, devices: Sequence[DeviceFacts]) -> dict[str, set[str]]:
    """The devices of each wave that a selector names; raises InvalidInput where there are none."""
    selected: dict[str, set[str]] = {}
    for number, wave in enumerate(wave_drafts(draft.waves), 1):
        if wave.selector:
            selector = Selector(wave.selector)
            found = {device.id for device in devices if selector.takes(device)}
            if not found:
                raise InvalidInput(
                    f"no device of the group '{draft.group}' is '{wave.selector}'",
                    field=f"waves.{number}",
                    hint=f"`edgewright group show {draft.group}` shows the group's devices and their labels.",
                )
            selected[wave.selector] = found
    return selected


def _check_targets(draft: RolloutDraft, release: ReleaseRecord, devices: Sequence[DeviceFacts]) -> None:
    known = [package.target for package in release.packages]
    hint = f"Release {release.id} has packages for: {', '.join(known)}."
    if draft.target and draft.target not in known:
        raise InvalidInput(f"release {release.id} has no target '{draft.target}'", field="target", hint=hint)
    members = {device.id for device in devices} if draft.target_of else set()
    for device, target in draft.target_of.items():
        if device not in members:
            raise InvalidInput(f"device '{device}' is not in the group '{draft.group}'", field="target_of")
        if target not in known:
            raise InvalidInput(f"release {release.id} has no target '{target}'", field="target_of", hint=hint)


def _none_fits(
    draft: RolloutDraft, release: ReleaseRecord, already: Collection[str], refused: Mapping[str, str]
) -> str:
    reasons = [f"{device}: {reason}" for device, reason in sorted(refused.items())[:3]]
    if already:
        reasons.append(f"{len(already)} run it already")
    return f"no device of the group '{draft.group}' can get release {release.id}: {'; '.join(reasons)}"
