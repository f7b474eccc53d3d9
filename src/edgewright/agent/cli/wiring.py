"""All wiring of an agent, by hand."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.agent import keys
from edgewright.agent.disk import Identity, NotEnrolled, PaceMeter, Settings, Writer, load_identity, save_identity
from edgewright.agent.install import apply_delta, timed
from edgewright.agent.link import (
    BlobLine,
    Chance,
    Exchange,
    Link,
    NearFirst,
    Patience,
    Schedule,
    SignedTime,
    Throttle,
    enrol,
)
from edgewright.agent.machine import Equipment
from edgewright.agent.supervisor import Delivery, Keeper, Supervisor
from edgewright.agent.system import Stop, facts
from edgewright.agent.trial import TrialWorkers


@dataclass(frozen=True)
class Introduction:
    """What a person says of a device: its hub, and, the first time, the claim token and a name."""

    hub: str = ""
    claim: str = ""
    name: str = ""


def assemble(root: Path, settings: Settings, said: Introduction, stop: Stop) -> Supervisor:
    """The agent of `root`; enrols it first where that is still to be done."""
    signed_time, chance = SignedTime(root, time.time, time.monotonic), Chance()
    identity, link = identify(root, settings, said, signed_time.now)
    throttle = Throttle(settings.bandwidth_bytes_s, time.monotonic, stop.wait)
    patience = Patience(settings.timeout_s, settings.min_bytes_s, time.monotonic)
    meter = PaceMeter(root, is_metered=settings.is_metered)
    line = BlobLine(link, throttle=throttle, patience=patience, measured=meter.downloaded)
    check_ins = Schedule(time.monotonic, chance, settings.longest_wait_s)
    equipment = Equipment(
        root=root,
        settings=settings,
        source=NearFirst(settings.cache, line, throttle=throttle, patience=patience) if settings.cache else line,
        patch=timed(apply_delta, meter.applied, time.monotonic),
        trials=TrialWorkers(),
        reports=Writer(root / "spool", "agent", settings.spool_max_bytes),
        measure=lambda: facts.measure(root, settings.hardware_ids),
        clock=signed_time.now,
        monotonic=time.monotonic,
        is_pausing=lambda: stop.is_requested or check_ins.is_due(),
        pace=lambda: meter.pace,
    )
    exchange = Exchange(root, identity, link, settings, signed_time, equipment.reports)
    delivery = Delivery(exchange, equipment, check_ins, chance=chance, stop=stop)
    keeper = Keeper([], stop, time.monotonic, chance)
    return Supervisor(keeper, delivery, stop, lambda: None)


def identify(root: Path, settings: Settings, said: Introduction, clock: Callable[[], float]) -> tuple[Identity, Link]:
    """Who this device is, and its way to the hub: from the folder, or by enrolling with the claim.

    Raises NotEnrolled where neither is there, and what `enrol` raises.
    """
    identity = load_identity(root)
    hub = said.hub or (identity.hub if identity else "")
    if not hub or (identity is None and not said.claim):
        raise NotEnrolled(f"{root} holds no identity, and {'--claim' if hub else '--hub'} is missing", field="dir")
    key = keys.open_key(root, settings.key, os.environ)
    device = identity.device if identity else ""
    patience = Patience(settings.timeout_s, settings.min_bytes_s, time.monotonic)
    link = Link(hub, key, device=device, clock=clock, patience=patience, talk_s=settings.talk_s)
    if identity is None:
        identity = enrol(
            root,
            hub=hub,
            claim=said.claim,
            name=said.name or platform.node(),
            key=key,
            link=link,
            measure=lambda: facts.measure(root, settings.hardware_ids),
        )
        link.close()
        return identify(root, settings, said, clock)
    if hub != identity.hub:
        save_identity(root, msgspec.structs.replace(identity, hub=hub))
    return identity, link
