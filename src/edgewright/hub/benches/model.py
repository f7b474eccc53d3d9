"""The rules of benches, all pure: who measures what, what a report changes, and figures of several devices as one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from edgewright.contract.api import (
    BenchDraft,
    DeviceState,
    MeasurementState,
    Memory,
    Place,
    ReleaseRecord,
    Timing,
)
from edgewright.contract.errors import InvalidInput, Refused
from edgewright.contract.manifest import Role
from edgewright.contract.order import MAX_CALLS, MAX_TTL_S
from edgewright.contract.report import BenchOutcome, BenchReport
from edgewright.hub.fleet import DeviceFacts
from edgewright.hub.rollout.planning import Offer, choose, misfit

MAX_RELEASES = 16
MAX_MEASUREMENTS = 1000
AWAY_S = 300.0
MAX_MS = 1e7
MAX_BYTES = 2**50
NAMED = 2  # devices that a figure names; of the others, their number

S = MeasurementState
NEXT: dict[MeasurementState, tuple[MeasurementState, ...]] = {  # state of a measurement: what a report may make of it
    S.PENDING: (S.DONE, S.REFUSED, S.FAILED),
    S.OFFERED: (S.DONE, S.REFUSED, S.FAILED),
    S.EXPIRED: (S.DONE, S.REFUSED, S.FAILED),  # it was measured in time, and the way to the hub was long
    S.DONE: (),
    S.REFUSED: (),
    S.FAILED: (),
    S.CANCELLED: (),
}


class NothingToMeasure(Refused):
    code = "nothing_to_measure"
    hint = "`edgewright device ls` shows the devices; a device measures what it could install."


@dataclass(frozen=True)
class Candidate:
    """A release that is ready, and its packages."""

    release: ReleaseRecord
    offers: Sequence[Offer]


@dataclass(frozen=True)
class Part:
    """One package, to be measured on one device."""

    device: DeviceFacts
    release: ReleaseRecord
    offer: Offer

    @property
    def variant_sha256(self) -> str:
        """The digest of the model file."""
        return self.offer.manifest.file(Role.MODEL).sha256


@dataclass(frozen=True)
class Figure:
    """What one device told of a variant; `runtime` is its name and version, '' where that is not known."""

    device: str
    name: str
    runtime: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    peak_bytes: int


def check_draft(draft: BenchDraft) -> None:
    """Raise InvalidInput unless the draft's numbers make sense."""
    if not 1 <= len(draft.releases) <= MAX_RELEASES:
        raise InvalidInput(f"a bench measures 1 to {MAX_RELEASES} releases", field="releases")
    if not 1 <= draft.calls <= MAX_CALLS:
        raise InvalidInput(f"calls is {draft.calls}", field="calls", hint=f"Choose 1 to {MAX_CALLS}.")
    if not 1 <= draft.per_target <= MAX_MEASUREMENTS:
        raise InvalidInput(f"per_target is {draft.per_target}", field="per_target", hint="Choose 1 or more.")
    if not 0 < draft.ttl_s <= MAX_TTL_S:
        raise InvalidInput(f"a bench waits for its devices for {MAX_TTL_S:.0f} seconds at most", field="ttl_s")


def plan(
    draft: BenchDraft, candidates: Sequence[Candidate], devices: Sequence[DeviceFacts], now: float
) -> tuple[list[Part], dict[str, str]]:
    """Who measures what; and by device or target, why something is not measured.

    Raises NothingToMeasure, or InvalidInput naming the field.
    """
    parts: list[Part] = []
    skipped: dict[str, str] = {}
    for candidate in candidates:
        _check_targets(draft, candidate)
        if draft.devices:
            _plan_devices(draft, candidate, devices, parts, skipped)
        else:
            _plan_targets(draft, candidate, devices, now, parts, skipped)
    if not parts:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:3]) or "there are no devices"
        raise NothingToMeasure(f"no device can measure this: {why}", field="releases")
    if len(parts) > MAX_MEASUREMENTS:
        raise InvalidInput(f"{len(parts)} measurements at once: {MAX_MEASUREMENTS} may be", field="devices")
    return parts, skipped


def after_report(state: MeasurementState, report: BenchReport) -> tuple[MeasurementState, str]:
    """Where a measurement is once its device has reported, and why. A device may say what it likes."""
    told = MeasurementState(report.outcome.value)
    if told not in NEXT[state]:
        return state, ""
    if report.outcome is BenchOutcome.DONE and not is_plausible(report):
        return S.FAILED, "the device's figures make no sense"
    return told, report.reason


def without_nonsense(report: BenchReport) -> BenchReport:
    """The report without a golden result whose numbers are none."""
    golden = report.golden
    if golden is None or (math.isfinite(golden.max_error) and math.isfinite(golden.argmax_agreement)):
        return report
    return msgspec.structs.replace(report, golden=None)


def is_plausible(report: BenchReport) -> bool:
    """Whether figures are numbers that a machine can have measured."""
    latencies = (report.latency_p50_ms, report.latency_p95_ms, report.latency_p99_ms)
    is_sorted = 0 < latencies[0] <= latencies[1] <= latencies[2] < MAX_MS
    is_loaded = 0 <= report.load_s < MAX_MS
    return is_sorted and is_loaded and 0 < report.memory_bytes < MAX_BYTES and 0 < report.calls <= MAX_CALLS


def merge(figures: Sequence[Figure], target: str) -> tuple[Timing, Memory] | None:
    """The median over devices; None where nothing was measured."""
    if not figures:
        return None
    names = sorted(figure.name for figure in figures)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    runtimes = sorted({figure.runtime for figure in figures if figure.runtime})
    where = ", ".join([f"{', '.join(names[:NAMED])}{more} ({target})", *runtimes])
    timing = Timing(
        p50_ms=statistics.median(figure.p50_ms for figure in figures),
        p95_ms=statistics.median(figure.p95_ms for figure in figures),
        p99_ms=statistics.median(figure.p99_ms for figure in figures),
        place=Place.DEVICE,
        where=where,
    )
    peak_bytes = round(statistics.median(figure.peak_bytes for figure in figures))
    return timing, Memory(peak_bytes=peak_bytes, place=Place.DEVICE, where=where)


def _check_targets(draft: BenchDraft, candidate: Candidate) -> None:
    known = [offer.package.target for offer in candidate.offers]
    for target in draft.targets:
        if target not in known:
            release = candidate.release.id
            hint = f"Release {release} has packages for: {', '.join(known)}."
            raise InvalidInput(f"release {release} has no target '{target}'", field="targets", hint=hint)


def _plan_devices(
    draft: BenchDraft,
    candidate: Candidate,
    devices: Sequence[DeviceFacts],
    parts: list[Part],
    skipped: dict[str, str],
) -> None:
    known = {device.id: device for device in devices}
    for id in dict.fromkeys(draft.devices):
        device = known.get(id)
        if device is None:
            hint = "`edgewright device ls` lists the ids."
            raise InvalidInput(f"there is no device '{id}'", field="devices", hint=hint)
        for target in draft.targets or ("",):
            chosen = choose(device, candidate.offers, target)
            if why := _obstacle(device, candidate) or (chosen if isinstance(chosen, str) else ""):
                skipped[f"{device.name}, {candidate.release.id}"] = why
            elif isinstance(chosen, Offer):
                parts.append(Part(device, candidate.release, chosen))


def _plan_targets(
    draft: BenchDraft,
    candidate: Candidate,
    devices: Sequence[DeviceFacts],
    now: float,
    parts: list[Part],
    skipped: dict[str, str],
) -> None:
    able = [device for device in devices if not _obstacle(device, candidate)]
    own = {device.id: _own_target(device, candidate.offers) for device in able}
    for offer in candidate.offers:
        target = offer.package.target
        if draft.targets and target not in draft.targets:
            continue
        fitting = [device for device in able if not misfit(device, offer.manifest)]
        if not fitting:
            skipped[f"{target}, {candidate.release.id}"] = "no device is of this kind"
        ranked = sorted(fitting, key=lambda device: _rank(device, own[device.id] == target, now))
        parts += [Part(device, candidate.release, offer) for device in ranked[: draft.per_target]]


def _rank(device: DeviceFacts, is_own: bool, now: float) -> tuple[bool, bool, str]:
    """First those whose best package it is, of those first the ones that can answer now."""
    is_away = device.seen_at is None or now - device.seen_at > AWAY_S
    return not is_own, is_away, device.id


def _own_target(device: DeviceFacts, offers: Sequence[Offer]) -> str:
    chosen = choose(device, offers)
    return "" if isinstance(chosen, str) else chosen.package.target


def _obstacle(device: DeviceFacts, candidate: Candidate) -> str:
    """What speaks against it whatever the package; a device never loads what is older than what it runs."""
    if device.state is not DeviceState.ACTIVE:
        return f"it is {device.state}"
    release = candidate.release
    running = device.counter(release.model)
    return f"it runs a newer release, {release.model}/{running}" if running > release.counter else ""


def by_device(figures: Sequence[Figure], installs: Sequence[Figure]) -> list[Figure]:
    """One figure for each device: its latest bench (they come oldest first), else its latest install."""
    found: Mapping[str, Figure] = {figure.device: figure for figure in (*installs, *figures)}
    return list(found.values())
