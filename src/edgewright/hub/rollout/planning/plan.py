"""From a draft to a plan: which device gets which package, in which wave, before anything is started."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgewright.contract.api import DeviceRecord, ReleaseRecord, RolloutDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.rollout.model import EmptyGroup
from edgewright.hub.rollout.planning.fit import NoDeviceFits, Offer, choose
from edgewright.hub.rollout.planning.order import canary_order
from edgewright.hub.rollout.planning.waves import PlannedWave, plan_waves


@dataclass(frozen=True)
class Plan:
    """The waves, the package of each device in them, and why the others are in none.

    `has_bases`: some of these devices run the model already, so that deltas can be of use.
    """

    waves: tuple[PlannedWave, ...]
    offers: Mapping[str, Offer]
    already: tuple[str, ...]
    refused: Mapping[str, str]
    has_bases: bool


def make_plan(
    draft: RolloutDraft,
    release: ReleaseRecord,
    offers: Sequence[Offer],
    devices: Sequence[DeviceRecord],
    reachable: Collection[str],
    rolled_back: Collection[str],
) -> Plan:
    """Plan a rollout; pure. `rolled_back` are the devices that have given this release up before.

    Raises EmptyGroup, NoDeviceFits, or InvalidInput naming the field.
    """
    if not devices:
        raise EmptyGroup(f"the group '{draft.group}' has no devices", field="group")
    _check_targets(draft, release, devices)
    counters = {device.id: _counter(device, release.model) for device in devices}
    already = tuple(device.id for device in devices if counters[device.id] == release.counter)
    chosen: dict[str, Offer] = {}
    refused: dict[str, str] = {}
    for device in devices:
        if device.id in already:
            continue
        fitting = choose(device, offers, draft.target_of.get(device.id, draft.target))
        if counters[device.id] > release.counter:
            refused[device.id] = f"runs a newer release, {release.model}/{counters[device.id]}"
        elif device.id in rolled_back:
            refused[device.id] = "has rolled this release back before"
        elif isinstance(fitting, str):
            refused[device.id] = fitting
        else:
            chosen[device.id] = fitting
    if not chosen:
        raise NoDeviceFits(_none_fits(draft, release, already, refused), field="group")
    running = [id for id in chosen if counters[id] > 0]
    order = canary_order(chosen, reachable, running, release.id)
    return Plan(tuple(plan_waves(order, draft.waves)), chosen, already, refused, has_bases=bool(running))


def _counter(device: DeviceRecord, model: str) -> int:
    return next((state.counter for state in device.models if state.model == model), 0)


def _check_targets(draft: RolloutDraft, release: ReleaseRecord, devices: Sequence[DeviceRecord]) -> None:
    known = [package.target for package in release.packages]
    hint = f"Release {release.id} has packages for: {', '.join(known)}."
    if draft.target and draft.target not in known:
        raise InvalidInput(f"release {release.id} has no target '{draft.target}'", field="target", hint=hint)
    members = {device.id for device in devices}
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
