"""What a plan would mean: bytes, sites, when windows open, what budgets and caps cost, and what speaks against it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from edgewright.contract import windows
from edgewright.contract.api import (
    Budget,
    BudgetForecast,
    Misfit,
    MisfitGroup,
    MisfitPage,
    Opening,
    PlannedWaveRecord,
    ReleaseRecord,
    RolloutDraft,
    RolloutPlan,
    SiteForecast,
)
from edgewright.hub.fleet import MAX_PAGE, DeviceFacts
from edgewright.hub.rollout.planning.checks import is_zone
from edgewright.hub.rollout.planning.doubts import doubts
from edgewright.hub.rollout.planning.plan import Plan, spread_label
from edgewright.hub.rollout.planning.waves import PlannedWave, describe

UTC = "UTC"
NAMED = 20
Way = Callable[[str, tuple[str, ...]], tuple[int, int]]
"""Bytes that cross the link and bytes of all files, for a package by its manifest and the packages that are held."""


def forecast(draft: RolloutDraft, release: ReleaseRecord, plan: Plan, way: Way, now: float) -> RolloutPlan:
    """Tell what starting `draft` at `now` would mean; pure."""
    label = spread_label(draft)
    costs = _costs(release.model, plan, way)
    planned = [plan.devices[device] for wave in plan.waves for device in wave.devices]
    openings = _openings(draft, planned, now)
    sites = _sites(draft, planned, costs, label)
    return RolloutPlan(
        draft=draft,
        release=release.id,
        group=draft.group,
        devices=len(plan.devices),
        planned=len(planned),
        already=len(plan.already),
        waves=tuple(_wave(number, wave, draft, plan, costs, label) for number, wave in enumerate(plan.waves, 1)),
        misfits=group_misfits(plan.refused),
        sent_bytes=sum(sent for sent, _ in costs.values()),
        full_bytes=sum(full for _, full in costs.values()),
        per=label,
        site_count=len(sites),
        sites=tuple(sites[:NAMED]),
        begins_at=min((opening.opens_at for opening in openings), default=now),
        openings=openings,
        budgets=() if draft.emergency else tuple(_budget(budget, planned) for budget in draft.budgets),
        least_s=_least_s(draft, plan, sites),
        warnings=doubts(draft, plan, now),
    )


def group_misfits(refused: Mapping[str, str]) -> tuple[MisfitGroup, ...]:
    """Devices by the reason why they get nothing, the commonest reason first."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for device, reason in refused.items():
        by_reason[reason].append(device)
    ranked = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        MisfitGroup(reason=reason, count=len(devices), devices=tuple(sorted(devices)[:NAMED]))
        for reason, devices in ranked
    )


def page_misfits(refused: Mapping[str, str], names: Mapping[str, str], after: str, limit: int) -> MisfitPage:
    """Devices that get nothing, by id, those after the device `after`; `refused` are all reasons by device."""
    ordered = sorted(device for device in refused if device > after)
    page = ordered[: min(max(limit, 1), MAX_PAGE)]
    misfits = tuple(Misfit(device=device, name=names[device], reason=refused[device]) for device in page)
    return MisfitPage(misfits=misfits, after=page[-1] if len(ordered) > len(page) else "")


def _costs(model: str, plan: Plan, way: Way) -> dict[str, tuple[int, int]]:
    """Bytes that cross the link and bytes of all files, by device; each distinct way is asked for once."""
    known: dict[tuple[str, tuple[str, ...]], tuple[int, int]] = {}
    costs = {}
    for device, offer in plan.offers.items():
        held = next((state.held_manifests for state in plan.devices[device].models if state.model == model), ())
        key = (offer.package.manifest_sha256, held)
        if key not in known:
            known[key] = way(*key)
        costs[device] = known[key]
    return costs


def _wave(
    number: int, wave: PlannedWave, draft: RolloutDraft, plan: Plan, costs: Mapping[str, tuple[int, int]], label: str
) -> PlannedWaveRecord:
    devices = [plan.devices[device] for device in wave.devices]
    return PlannedWaveRecord(
        number=number,
        asked=describe(wave.draft),
        size=len(devices),
        targets=_counts(plan.offers[device].package.target for device in wave.devices),
        hardware=_counts(device.machine.hardware for device in devices),
        sites=len({device.labels.get(label, "") for device in devices}),
        sent_bytes=sum(costs[device][0] for device in wave.devices),
        full_bytes=sum(costs[device][1] for device in wave.devices),
        soak_s=0.0 if draft.emergency else wave.draft.soak_s,
        needs_promotion=wave.draft.needs_promotion and not draft.emergency,
        gate=wave.draft.gate or draft.gate,
        devices=wave.devices[:NAMED],
    )


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _sites(
    draft: RolloutDraft, planned: list[DeviceFacts], costs: Mapping[str, tuple[int, int]], label: str
) -> list[SiteForecast]:
    """Every site, the one with the most bytes first."""
    devices, sent = Counter[str](), Counter[str]()
    for device in planned:
        site = device.labels.get(label, "")
        devices[site] += 1
        sent[site] += costs[device.id][0]
    bytes_s = [cap.bytes_s for cap in draft.caps if cap.per == label and cap.bytes_s and not draft.emergency]
    found = [
        SiteForecast(
            site=site, devices=count, sent_bytes=sent[site], least_s=sent[site] / min(bytes_s, default=math.inf)
        )
        for site, count in devices.items()
    ]
    return sorted(found, key=lambda site: (-site.sent_bytes, site.site))


def _openings(draft: RolloutDraft, planned: list[DeviceFacts], now: float) -> tuple[Opening, ...]:
    """When devices may begin, by time zone; a zone that is not known counts as UTC."""
    earliest = now if draft.emergency else max(now, draft.schedule.start_at or now)
    wanted = () if draft.emergency else tuple(windows.parse(text) for text in draft.schedule.windows)
    if not wanted:
        return (Opening(time_zone="", devices=len(planned), opens_at=earliest),)
    zones = Counter(device.time_zone for device in planned)
    openings = [
        Opening(
            time_zone=name,
            devices=count,
            opens_at=windows.opens_at(wanted, earliest, windows.zone(name if name and is_zone(name) else UTC)),
        )
        for name, count in zones.items()
    ]
    return tuple(sorted(openings, key=lambda opening: (opening.opens_at, opening.time_zone)))


def _budget(budget: Budget, planned: list[DeviceFacts]) -> BudgetForecast:
    sites = Counter(device.labels.get(budget.per, "") for device in planned)
    largest = max(sites.values())
    return BudgetForecast(
        per=budget.per,
        max_unavailable=budget.max_unavailable,
        sites=len(sites),
        largest=largest,
        turns=math.ceil(largest / budget.max_unavailable),
    )


def _least_s(draft: RolloutDraft, plan: Plan, sites: list[SiteForecast]) -> float:
    """Soaks, and the slowest line: what no luck can shorten."""
    if draft.emergency:
        return 0.0
    return sum(wave.draft.soak_s for wave in plan.waves) + max((site.least_s for site in sites), default=0.0)
