"""What a rehearsal knows of a fleet: measured lines, hours, failures; and in words what it does not."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import ClassFigure, FitRecord, Place, RolloutDraft, RolloutState, WaveDraft
from edgewright.contract.report import Pace
from edgewright.hub.db import Database
from edgewright.hub.fleet import DeviceFacts, Fleet
from edgewright.hub.fleet.table import group as groups
from edgewright.hub.observe import table as observe
from edgewright.hub.observe.behaviour import SPAN_S, span_of
from edgewright.hub.rehearsals.question import POLL_S, DeviceFact
from edgewright.hub.rollout import table as rollout
from edgewright.hub.rollout.gates import rules_of
from edgewright.hub.rollout.planning import Plan

DOWNLOAD_BYTES_S = 1_000_000.0
REQUEST_S = 0.1
APPLY_BYTES_S = 100_000_000.0
HISTORY_S = 8 * 86_400.0  # as long as behaviour is kept
LEAST_DAYS = 3  # with profiles, before their hours say anything
LEAST_ANSWERS = 20  # of past installs, before their failures do
CHUNK = 500
BLIND = ("drift", "labelled_accuracy", "bias")  # rules that read data, labels and groups: no rehearsal has any
DAY_S = 86_400.0
REQUESTS_H = 360.0
FAILED_SHARE = 0.01


def lines(
    devices: Sequence[DeviceFacts],
    paces: Mapping[str, Pace],
    hours: Mapping[str, tuple[int, ...]],
    told: Mapping[str, float | None],
    per: str,
) -> tuple[tuple[DeviceFact, ...], list[str]]:
    """Each device's line and hours, and what had to be assumed; `per` is the label that names sites."""
    known = [pace for pace in paces.values() if pace.download_bytes_s > 0]
    usual = Pace(
        download_bytes_s=_median([pace.download_bytes_s for pace in known], DOWNLOAD_BYTES_S),
        request_s=_median([pace.request_s for pace in known if pace.request_s], REQUEST_S),
        apply_bytes_s=_median([pace.apply_bytes_s for pace in known if pace.apply_bytes_s], APPLY_BYTES_S),
    )
    found = tuple(
        _line(device, paces.get(device.id, Pace()), usual, hours.get(device.id, ()), told[device.id], per)
        for device in devices
    )
    measured = sum(paces.get(device.id, Pace()).download_bytes_s > 0 for device in devices)
    said = [f"line speeds were measured on {measured} of {len(devices)} devices"]
    if measured < len(devices):
        said.append(f"the others are taken to load {usual.download_bytes_s / 1000:.0f} kB/s")
    timed = sum(device.id in hours for device in devices)
    if timed < len(devices):
        said.append(f"{len(devices) - timed} of {len(devices)} devices are taken to be always on")
    return found, said


def hours_of(db: Database, devices: Sequence[str], now: float) -> dict[str, tuple[int, ...]]:
    """The hours of the day (UTC) in which devices served of late, for those that have sent profiles for some days."""
    of = observe.behaviour.c
    seen: dict[str, set[int]] = defaultdict(set)
    with db.read() as connection:
        for start in range(0, len(devices), CHUNK):
            part = devices[start : start + CHUNK]
            query = sa.select(of.device, of.span).where(of.device.in_(part), of.span > span_of(now - HISTORY_S))
            for device, span in connection.execute(query.distinct()):
                seen[device].add(int(span * SPAN_S // 3600))
    return {
        device: tuple(sorted({number % 24 for number in numbers}))
        for device, numbers in seen.items()
        if len({number // 24 for number in numbers}) >= LEAST_DAYS
    }


def polls_of(
    db: Database, fleet: Fleet, devices: Sequence[str], hub_s: float | None
) -> tuple[dict[str, float | None], str]:
    """How often each device is told to check in: the shortest time of its groups, else the hub's; and in words."""
    of = groups.c
    found: dict[str, float] = {}
    with db.read() as connection:
        paced = connection.execute(sa.select(of.name, of.poll_s).where(of.poll_s.is_not(None))).all()
    for name, poll_s in paced:
        for device in fleet.members(name):
            found[device] = min(poll_s, found.get(device, poll_s))
    told = {device: found.get(device, hub_s) for device in devices}
    polls = [poll_s or POLL_S for poll_s in told.values()]
    first, last = min(polls), max(polls)
    said = f"devices check in every {first:g} s" + (f" to {last:g} s" if last > first else "")
    if None in told.values():
        return told, f"{said}: {POLL_S:g} s is what agents do that are not told"
    return told, f"{said}, as their groups and the hub say"


def failure_rate(db: Database) -> tuple[float, str]:
    """The share of installs of rollouts that ended well which failed nevertheless, and where that is from."""
    of = rollout.deployment.c
    done = sa.select(rollout.rollout.c.id).where(rollout.rollout.c.state == RolloutState.DONE)
    query = sa.select(of.state, sa.func.count()).where(of.rollout.in_(done), of.wave > 0).group_by(of.state)
    with db.read() as connection:
        counts = {str(state): int(count) for state, count in connection.execute(query)}
    failed = counts.get("failed", 0) + counts.get("rolled_back", 0)
    answers = failed + counts.get("committed", 0)
    if answers < LEAST_ANSWERS:
        return 0.0, "no install is taken to fail by itself: too few were done so far"
    return failed / answers, f"{failed} of {answers} past installs failed, and so many are taken to fail"


class Asked(NamedTuple):
    """What devices answered of late; see question.Facts. `said` is where that is from."""

    requests_h: float
    failed_share: float
    score: float | None
    unsure_share: float
    said: str


def requests_of(db: Database, model: str, now: float) -> Asked:
    """Requests of a device in an hour of serving, how many of them fail, and what the answers score."""
    of = observe.behaviour.c
    totals = [sa.func.sum(of[name]) for name in ("rows", "failed", "unsure", "scored", "scores")]
    query = sa.select(sa.func.count(), *totals).where(of.model == model, of.span >= span_of(now - DAY_S))
    with db.read() as connection:
        count, *sums = connection.execute(query).one()
    rows, failed, unsure, scored, scores = (float(total or 0) for total in sums)
    if not rows:
        said = f"{REQUESTS_H:.0f} requests an hour are assumed for each device, of which {FAILED_SHARE:.0%} fail"
        return Asked(REQUESTS_H, FAILED_SHARE, None, 0.0, said)
    rate, share = rows / count * 3600.0 / SPAN_S, failed / rows
    said = f"a device has {rate:.0f} requests an hour, of which {share:.2%} fail, as on the last day"
    if scored <= 0:
        return Asked(rate, share, None, 0.0, said)
    score = min(1.0, max(0.0, scores / scored))  # noise may have been added
    return Asked(rate, share, score, max(0.0, unsure) / scored, f"{said}; answers score {score:.2f} on average")


def figures_of(fit: FitRecord, plan: Plan, devices: Sequence[str]) -> tuple[dict[str, ClassFigure], str]:
    """What the package that each device gets takes on its hardware, where that is known, and where it is from."""
    known = {(one.target, figure.hardware): figure for one in fit.packages for figure in one.figures}
    found = {}
    for device in devices:
        kind = plan.offers[device].package.target, plan.devices[device].machine.hardware
        if kind in known and known[kind].latency_p95_ms > 0:
            found[device] = known[kind]
    measured = sum(figure.place is Place.DEVICE for figure in found.values())
    if not found:
        return found, "what the release takes was measured nowhere: latency and memory are not rehearsed"
    said = f"latency and memory are as measured on the hardware of {measured} of {len(devices)} devices"
    if measured < len(found):
        said += f", on {len(found) - measured} as measured or estimated where the package was made"
    return found, said + (f", on {len(devices) - len(found)} unknown" if len(found) < len(devices) else "")


def blind_rules(draft: RolloutDraft) -> list[str]:
    """Which rules of the rollout's gates cannot say anything in a rehearsal, and hold its waves for all their wait."""
    gates = [draft.gate, *(wave.gate for wave in draft.waves if isinstance(wave, WaveDraft) and wave.gate)]
    blind = sorted({rule.metric for gate in gates for rule in rules_of(gate) if rule.metric in BLIND})
    if not blind:
        return []
    return [f"no rehearsal has data for {', '.join(blind)}: waves wait for them as long as they may, and pass"]


def with_figure(line: DeviceFact, figure: ClassFigure | None) -> DeviceFact:
    """The device with what the release takes on it."""
    if figure is None:
        return line
    return msgspec.structs.replace(line, latency_p95_ms=figure.latency_p95_ms, memory_bytes=figure.memory_bytes)


def _line(
    device: DeviceFacts, pace: Pace, usual: Pace, hours: tuple[int, ...], told_s: float | None, per: str
) -> DeviceFact:
    return DeviceFact(
        id=device.id,
        told_s=told_s,
        site=device.labels.get(per, ""),
        time_zone=device.time_zone,
        download_bytes_s=pace.download_bytes_s or usual.download_bytes_s,
        request_s=pace.request_s or usual.request_s,
        apply_bytes_s=pace.apply_bytes_s or usual.apply_bytes_s,
        hours=hours,
    )


def _median(values: list[float], otherwise: float) -> float:
    return statistics.median(values) if values else otherwise
