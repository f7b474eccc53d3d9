"""What a rehearsal knows of a fleet: measured lines, hours, failures; and in words what it does not."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import ClassFigure, FitRecord, Place, RolloutState
from edgewright.contract.report import Pace
from edgewright.hub.db import Database
from edgewright.hub.fleet import DeviceFacts, Fleet
from edgewright.hub.fleet.table import group as groups
from edgewright.hub.observe import table as observe
from edgewright.hub.observe.behaviour import SPAN_S, span_of
from edgewright.hub.rehearsals.question import DeviceFact
from edgewright.hub.rollout import table as rollout
from edgewright.hub.rollout.planning import Plan

DOWNLOAD_BYTES_S = 1_000_000.0
REQUEST_S = 0.1
APPLY_BYTES_S = 100_000_000.0
HISTORY_S = 8 * 86_400.0  # as long as behaviour is kept
LEAST_DAYS = 3  # with profiles, before their hours say anything
LEAST_ANSWERS = 20  # of past installs, before their failures do
CHUNK = 500
POLL_S = 30.0  # of agents as they are set up
DAY_S = 86_400.0
REQUESTS_H = 360.0
FAILED_SHARE = 0.01


def lines(
    devices: Sequence[DeviceFacts],
    paces: Mapping[str, Pace],
    hours: Mapping[str, tuple[int, ...]],
    polls: Mapping[str, float],
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
        _line(device, paces.get(device.id, Pace()), usual, hours.get(device.id, ()), polls[device.id], per)
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


def polls_of(db: Database, fleet: Fleet, devices: Sequence[str], hub_s: float | None) -> tuple[dict[str, float], str]:
    """How often each device checks in: the shortest time of its groups, else the hub's; and where that is from."""
    of = groups.c
    found: dict[str, float] = {}
    with db.read() as connection:
        paced = connection.execute(sa.select(of.name, of.poll_s).where(of.poll_s.is_not(None))).all()
    for name, poll_s in paced:
        for device in fleet.members(name):
            found[device] = min(poll_s, found.get(device, poll_s))
    usual_s = hub_s or POLL_S
    polls = {device: found.get(device, usual_s) for device in devices}
    first, last = min(polls.values()), max(polls.values())
    said = f"devices check in every {first:g} s" + (f" to {last:g} s" if last > first else "")
    if hub_s is None and not found.keys() >= polls.keys():
        return polls, f"{said}: {POLL_S:g} s is what agents do who are not told"
    return polls, f"{said}, as their groups and the hub say"


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


def requests_of(db: Database, model: str, now: float) -> tuple[float, float, str]:
    """Requests of a device in an hour of serving, the share of them that fails, and where that is from."""
    of = observe.behaviour.c
    spans, rows, failed = sa.func.count(), sa.func.sum(of.rows), sa.func.sum(of.failed)
    query = sa.select(spans, rows, failed).where(of.model == model, of.span >= span_of(now - DAY_S))
    with db.read() as connection:
        count, asked, unanswered = connection.execute(query).one()
    if not asked:
        said = f"{REQUESTS_H:.0f} requests an hour are assumed for each device, of which {FAILED_SHARE:.0%} fail"
        return REQUESTS_H, FAILED_SHARE, said
    rate, share = float(asked) / count * 3600.0 / SPAN_S, float(unanswered) / float(asked)
    return rate, share, f"a device has {rate:.0f} requests an hour, of which {share:.2%} fail, as on the last day"


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


def with_figure(line: DeviceFact, figure: ClassFigure | None) -> DeviceFact:
    """The device with what the release takes on it."""
    if figure is None:
        return line
    return msgspec.structs.replace(line, latency_p95_ms=figure.latency_p95_ms, memory_bytes=figure.memory_bytes)


def _line(device: DeviceFacts, pace: Pace, usual: Pace, hours: tuple[int, ...], poll_s: float, per: str) -> DeviceFact:
    return DeviceFact(
        id=device.id,
        poll_s=poll_s,
        site=device.labels.get(per, ""),
        time_zone=device.time_zone,
        download_bytes_s=pace.download_bytes_s or usual.download_bytes_s,
        request_s=pace.request_s or usual.request_s,
        apply_bytes_s=pace.apply_bytes_s or usual.apply_bytes_s,
        hours=hours,
    )


def _median(values: list[float], otherwise: float) -> float:
    return statistics.median(values) if values else otherwise
