"""All wiring of an agent, by hand."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.agent import keys
from edgewright.agent.bench import Benches
from edgewright.agent.bundle import Detour
from edgewright.agent.cache.sharing import Sharing
from edgewright.agent.cli.wishes import Wishes
from edgewright.agent.control import ControlServer
from edgewright.agent.disk import (
    Boots,
    Identity,
    NotEnrolled,
    PaceMeter,
    Settings,
    Writer,
    load_identity,
    save_identity,
    vitals,
)
from edgewright.agent.disk.ledger import Clocks, Ledger
from edgewright.agent.gateway import Gateway
from edgewright.agent.install import start_patch, timed
from edgewright.agent.link import (
    Allowance,
    BlobLine,
    Chance,
    Exchange,
    Link,
    Meter,
    NearFirst,
    Patience,
    Schedule,
    SignedTime,
    Throttle,
    Tls,
    Uncounted,
    day_end,
    device_time,
    enrol,
)
from edgewright.agent.machine import Equipment, Traffic
from edgewright.agent.supervisor import Condensing, Delivery, Keeper, Supervisor, Thrift
from edgewright.agent.system import Bell, Part, Stop, boot_id, facts, logs, uptime_s
from edgewright.agent.system.cgroup import Groups
from edgewright.agent.system.notify import ServiceNotices
from edgewright.agent.trial import TrialWorkers
from edgewright.agent.workers import Workers


@dataclass(frozen=True)
class Introduction:
    """What a person says of a device: its hub, and, the first time, the claim token and a name."""

    hub: str = ""
    claim: str = ""
    name: str = ""


def assemble(
    root: Path, settings: Settings, said: Introduction, stop: Stop, begin_anew: Callable[[], None]
) -> Supervisor:
    """The agent of `root`; enrols it first where that is still to be done.

    `begin_anew` is called where a person wants the agent to start with other settings.
    """
    signed_time, chance = device_time(root), Chance()
    clocks = Clocks(signed_time.now, uptime_s, boot_id())
    ledger = Ledger(root, clocks, day_end(settings.time_zone), settings.daily_budget_bytes)
    allowance = Allowance(settings, ledger, signed_time.now)
    patience = patience_of(settings, signed_time, ledger)
    identity, link = identify(root, settings, said, signed_time.now, patience)
    throttle = Throttle(settings.bandwidth_bytes_s, time.monotonic, stop.wait)
    meter = PaceMeter(root, is_metered=settings.is_metered)
    line = BlobLine(link, throttle=throttle, patience=patience, measured=meter.downloaded, hold=allowance.hold)
    near = NearFirst(settings.caches, line, throttle=throttle, patience=patience_of(settings, signed_time))
    detour = Detour(near)
    boots, bell = Boots(root, boot_id()), Bell()
    groups = Groups.find()
    workers = Workers(root, settings, monotonic=time.monotonic, chance=chance, bell=bell, groups=groups)
    check_ins = Schedule(time.monotonic, chance, settings.longest_wait_s, allowance.paced_s)
    trials = trials_of(settings, groups)
    equipment = Equipment(
        root=root,
        settings=settings,
        source=detour,
        patch=timed(start_patch, meter.applied, time.monotonic),
        trials=trials,
        reports=Writer(root / "spool", "agent", settings.spool_max_bytes),
        measure=lambda: facts.measure(root, settings.hardware_ids, settings.time_zone),
        clock=signed_time.now,
        monotonic=time.monotonic,
        is_pausing=lambda: stop.is_requested or (not detour.is_taken and (bell.is_rung or check_ins.is_due())),
        pace=lambda: meter.pace,
        follow=lambda model, active, spare: workers.follow(model, active, spare, settings.priorities.get(model, 0)),
        latest=lambda: signed_time.latest(settings.skew_s),
        may_switch=allowance.may_switch,
        requests_s=Traffic(root / vitals.FOLDER, time.monotonic).requests_s,
        is_often_cut_off=lambda: boots.in_a_row > 0,
    )
    exchange = Exchange(root, identity, link, settings, signed_time, equipment.reports, allowance)
    condensing = Condensing(root / "spool", exchange.spool, time.monotonic)
    delivery = Delivery(
        exchange,
        equipment,
        check_ins,
        Benches(equipment, exchange.package, trials),
        boots=boots,
        chance=chance,
        stop=stop,
        bell=bell,
        crashes=workers.crashes,
        tend=condensing.turn,
    )
    wishes = Wishes(
        root=root,
        identity=identity,
        settings=settings,
        delivery=delivery,
        workers=workers,
        exchange=exchange,
        allowance=allowance,
        check_ins=check_ins,
        time=signed_time,
        detour=detour,
        stop=stop,
        begin_anew=begin_anew,
        started_at=time.time(),
    )
    parts: list[Part] = [
        ServiceNotices(os.environ, time.monotonic),
        Thrift(time.monotonic),
        workers,
        *control_of(root, wishes),
        Sharing(root, settings),
        *([Gateway(root, settings.http_port, time.monotonic)] if settings.http_port else []),
    ]
    keeper = Keeper(parts, stop, time.monotonic, chance)
    return Supervisor(keeper, delivery, stop, near.hang_up)


def control_of(root: Path, wishes: Wishes) -> list[ControlServer]:
    """The socket for orders; an agent whose disk will not have one goes on without."""
    try:
        return [ControlServer(root / "run", wishes.fulfil, time.monotonic)]
    except OSError as error:
        logs.warn("nobody can give orders to this agent", reason=str(error))
        return []


def trials_of(settings: Settings, groups: Groups | None) -> TrialWorkers:
    """Trials with this device's bounds."""
    cpu_s = math.ceil(settings.trial_timeout_s) * (os.cpu_count() or 1)
    return TrialWorkers(soak_requests=settings.soak_requests, soak_s=settings.soak_s, cpu_s=cpu_s, groups=groups)


def patience_of(settings: Settings, signed_time: SignedTime, meter: Meter | None = None) -> Patience:
    """How this device talks to others: what it puts up with, whom it believes, who counts."""
    return Patience(
        settings.timeout_s,
        settings.min_bytes_s,
        time.monotonic,
        Tls(settings.ca, signed_time.has_clock, signed_time.now),
        meter or Uncounted(),
    )


def identify(
    root: Path, settings: Settings, said: Introduction, clock: Callable[[], float], patience: Patience
) -> tuple[Identity, Link]:
    """Who this device is, and its way to the hub: from the folder, or by enrolling with the claim.

    Raises NotEnrolled where neither is there, and what `enrol` raises.
    """
    identity = load_identity(root)
    hub = said.hub or (identity.hub if identity else "")
    if not hub or (identity is None and not said.claim):
        raise NotEnrolled(f"{root} holds no identity, and {'--claim' if hub else '--hub'} is missing", field="dir")
    key = keys.open_key(root, settings.key, os.environ)
    device = identity.device if identity else ""
    link = Link(hub, key, device=device, clock=clock, patience=patience, talk_s=settings.talk_s)
    if identity is None:
        identity = enrol(
            root,
            hub=hub,
            claim=said.claim,
            name=said.name or platform.node(),
            key=key,
            link=link,
            measure=lambda: facts.measure(root, settings.hardware_ids, settings.time_zone),
        )
        link.close()
        return identify(root, settings, said, clock, patience)
    if hub != identity.hub:
        save_identity(root, msgspec.structs.replace(identity, hub=hub))
    return identity, link
