"""What an order's terms let a candidate do now: its lease, its windows, and until when a busy device may put it off."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.agent import states
from edgewright.agent.disk import Settings
from edgewright.agent.link import Later
from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.states import ModelRecord, candidate_of
from edgewright.contract import windows
from edgewright.contract.errors import InvalidInput
from edgewright.contract.order import Install
from edgewright.contract.report import Conditions, Deferral

LONGEST_SLEEP_S = 600.0  # until a window opens or a lease is renewed: clocks may be wrong, orders come in between
LOOK_AGAIN_S = 60.0  # how often to look whether the device is still busy
COUNTING_S = 10.0  # until it is known how much is asked of it


class LeaseOver(Later):
    """The install waits until an order says again that it may be tried or take over."""

    code = "lease_over"

    def __init__(self, install: Install) -> None:
        what = f"the lease of release {install.counter} is over; it waits for the hub to say so again"
        super().__init__(what, wait_s=LONGEST_SLEEP_S, spread_s=0.0)
        self.lease_until = install.lease_until


class Terms:
    """Of one model's candidates. What raises Later here has changed nothing.

    Where nothing serves well, neither a window nor a busy hour is waited for; a lease always holds.
    """

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._deferral: Deferral | None = None

    def deferral(self, record: ModelRecord) -> Deferral | None:
        """What of the record's install is being put off."""
        candidate, known = record.candidate, self._deferral
        is_its = candidate is not None and known is not None and candidate.install.deployment == known.deployment
        return known if is_its and record.step in states.UNDER_WAY else None

    def wait(self, record: ModelRecord) -> str:
        """Why the install does not go on, in words; '' where nothing that its order says keeps it."""
        candidate = record.candidate
        if candidate is None or record.step not in states.UNDER_WAY:
            return ""
        install, now = candidate.install, self._equipment.clock()
        what = f"release {install.counter} of {record.model}"
        if states.is_lease_over(install, self._equipment.lease_time()):
            return f"{what}: its lease is over; it waits for the hub"
        if (put_off := self.deferral(record)) is not None:
            left_s = max(0.0, (install.begin_by or now) - now)
            return f"{what} put off for at most {left_s:.0f} s: {_WORDS[put_off.reason]}"
        if record.step is states.Step.COMMIT and install.windows and _serves_well(record):
            leave = self._equipment.may_switch(install.windows)
            return "" if leave.is_given else f"{what}: {leave.reason}, {leave.wait_s:.0f} s more"
        return ""

    def hold_lease(self, record: ModelRecord) -> None:
        """Raise LeaseOver where the candidate's lease is over, or may be."""
        install = candidate_of(record).install
        if states.is_lease_over(install, self._equipment.lease_time()):
            raise LeaseOver(install)

    def hold_try(self, record: ModelRecord) -> None:
        """Raise Later while the candidate may not be tried."""
        self.hold_lease(record)
        self._put_off(record)

    def hold_switch(self, record: ModelRecord) -> None:
        """Raise Later while the candidate may not take over; nothing waits for a window that serves nobody well."""
        self.hold_lease(record)
        if _serves_well(record):
            leave = self._equipment.may_switch(candidate_of(record).install.windows)
            if not leave.is_given:
                raise Later(leave.reason, wait_s=min(leave.wait_s, LONGEST_SLEEP_S), spread_s=0.0)
        self._put_off(record)

    def _put_off(self, record: ModelRecord) -> None:
        """Raise Later where the device is busy, and the order lets it wait."""
        install, now = candidate_of(record).install, self._equipment.clock()
        before, self._deferral = self.deferral(record), None
        if install.begin_by is None or now >= install.begin_by or not _serves_well(record):
            return
        settings, left_s = self._equipment.settings, install.begin_by - now
        requests_s = self._equipment.requests_s() if settings.defer_above_requests_s else 0.0
        reason = why_put_off(settings, self._equipment.look(), requests_s)
        if reason:
            since = before.since if before and before.reason == reason else now
            self._deferral = Deferral(deployment=install.deployment, reason=reason, since=since)
            raise Later(f"it is put off: {_WORDS[reason]}", wait_s=min(LOOK_AGAIN_S, left_s), spread_s=0.0)
        if requests_s is None:
            raise Later("how busy this device is, is being counted", wait_s=min(COUNTING_S, left_s), spread_s=0.0)


def why_put_off(settings: Settings, seen: Conditions, requests_s: float | None) -> str:
    """'battery' or 'busy' where the device would rather install later, else ''. No I/O.

    What the machine does not tell is no reason; `requests_s` is None where it was not counted yet.
    """
    percent = seen.battery_percent
    if seen.is_on_battery and percent is not None and percent < settings.defer_below_battery_percent:
        return "battery"
    most_s = settings.defer_above_requests_s
    return "busy" if most_s and requests_s is not None and requests_s > most_s else ""


def unreadable(ordered: Sequence[str]) -> str:
    """What is wrong with an order's windows; '' where they can be read."""
    try:
        for text in ordered:
            windows.parse(text, "windows")
    except InvalidInput as error:
        return f"the order's window cannot be read: {error.message}"
    return ""


def _serves_well(record: ModelRecord) -> bool:
    return bool(record.active) and not states.is_failing(record)


_WORDS = {"battery": "the battery is low", "busy": "apps ask much of this device"}
