"""What the machines of a device share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewright.agent.disk import Settings, Writer, usage
from edgewright.agent.install import Patch, Room, Source
from edgewright.agent.link import GIVEN, Leave
from edgewright.agent.states import Active, Instant
from edgewright.agent.system import boot_id, uptime_s
from edgewright.agent.system.conditions import conditions
from edgewright.agent.trial import Trials
from edgewright.contract.report import Capabilities, Conditions, Fault, Pace


def _left_to_apps(_model: str, _active: Active | None, _spare: Active | None) -> None:
    """No worker of this agent serves anything."""


def _always(_windows: tuple[str, ...]) -> Leave:
    """There are no windows."""
    return GIVEN


@dataclass(frozen=True)
class Equipment:
    """The device's folder, settings, ways in and out, and clocks."""

    root: Path
    settings: Settings
    source: Source
    patch: Patch
    trials: Trials
    reports: Writer
    measure: Callable[[], Capabilities]
    clock: Callable[[], float]  # seconds since the epoch, as the device believes
    monotonic: Callable[[], float]
    is_pausing: Callable[[], bool]  # whether a download shall give way to the loop
    pace: Callable[[], Pace] = Pace  # what bytes cost this device, as it measured
    follow: Callable[[str, Active | None, Active | None], None] = _left_to_apps
    """Hears at every change what of a model shall serve, and what of it may stand in."""
    latest: Callable[[], float] | None = None  # the latest moment that it can be, for leases; None: as `clock` says
    boot: str = boot_id()
    uptime_s: Callable[[], float] = uptime_s
    may_switch: Callable[[tuple[str, ...]], Leave] = _always
    """Whether another package may take over from an active one now; asked with the order's windows."""
    look: Callable[[], Conditions] = conditions
    requests_s: Callable[[], float | None] = lambda: None
    """How many requests a second apps ask of this device's models; None while that is being counted."""
    is_often_cut_off: Callable[[], bool] = lambda: False  # then the device's going down says nothing of a package

    def lease_time(self) -> float:
        """By what a lease is held to its end, in seconds since the epoch."""
        return (self.latest or self.clock)()

    def instant(self) -> Instant:
        """Now."""
        return Instant(at=self.clock(), boot=self.boot, uptime_s=self.uptime_s())

    def room(self, free_bytes: int) -> Room:
        """What there is of the disk; `free_bytes` as was measured."""
        settings = self.settings
        return Room(
            free_bytes=free_bytes,
            used_bytes=usage.used_bytes(self.root) if settings.disk_max_bytes else 0,
            max_bytes=settings.disk_max_bytes,
            reserve_bytes=settings.disk_reserve_bytes,
            is_linking=usage.is_linking(self.root),
        )

    def tell_fault(self, model: str, code: str, what: str) -> None:
        """Let people know of something that went wrong with a model here."""
        now = self.clock()
        self.reports.append(Fault(id=f"{code}:{model}:{now}", at=now, code=code, message=f"{model}: {what}"))
