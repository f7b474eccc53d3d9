"""What a device may do on its line now, and what it waits for: maintenance windows, and a day's budget of bytes.

Of the budget a part (`reserved_share`) is kept for what is small and matters: check-ins, and reports of installs and
faults. Downloads, profiles and samples take the rest, and go on the next day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import msgspec

from edgewright.agent.disk import Settings
from edgewright.agent.disk.ledger import Day, Ledger
from edgewright.agent.link.line import Later
from edgewright.agent.system import logs
from edgewright.contract import windows
from edgewright.contract.errors import InvalidInput

RECHECK_S = 900.0
"""No wait is longer without a look at the clock, which people or the network may set meanwhile."""
SPREAD_S = 60.0
CHECK_IN_BYTES = 8 * 1024
"""What a check-in costs as long as none was measured."""


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """Whether something may be done now; if not, why, and in how many seconds it will."""

    is_given: bool
    reason: str = ""
    wait_s: float = 0.0


GIVEN = Leave(is_given=True)


class AllowanceState(msgspec.Struct, frozen=True, kw_only=True):
    """For people: bytes of this day of `budget_bytes` (0: no limit), when the next begins, and what has to wait."""

    budget_bytes: int
    urgent_bytes: int
    bulk_bytes: int
    resets_in_s: float
    downloads: Leave
    switches: Leave


class Allowance:
    """A device's permission to use its line. `now` is the believed time, in seconds since the epoch."""

    def __init__(self, settings: Settings, ledger: Ledger, now: Callable[[], float]) -> None:
        self._settings = settings
        self._ledger = ledger
        self._now = now
        self._zone = _zone(settings.time_zone)
        self._downloads = _readable("download_windows", settings.download_windows)
        self._switches = _readable("switch_windows", settings.switch_windows)

    def may_download(self) -> Leave:
        """Whether blobs may be fetched; with neighbours to ask, a budget that is used up is no obstacle yet."""
        opened = self._within(self._downloads, "downloads")
        return opened if not opened.is_given or self._settings.caches else self._within_budget()

    def may_switch(self, ordered: Sequence[str] = ()) -> Leave:
        """Whether the active model may be replaced by another: by this device's windows, and by the `ordered` ones.

        A first install and a roll back ask nobody. Raises InvalidInput where the order's are no windows.
        """
        own = self._within(self._switches, "switching models")
        of_order = self._within([windows.parse(text, "windows") for text in ordered], "switches, by the order,")
        return max(own, of_order, key=lambda leave: leave.wait_s)

    def may_use_line(self) -> Leave:
        """Whether blobs may be fetched over the line that is counted."""
        opened = self._within(self._downloads, "downloads")
        return opened if not opened.is_given else self._within_budget()

    def hold(self) -> None:
        """Raise Later unless blobs may be fetched over the line now."""
        leave = self.may_use_line()
        if not leave.is_given:
            raise Later(leave.reason, wait_s=min(leave.wait_s, RECHECK_S), spread_s=min(leave.wait_s, SPREAD_S))

    def may_send_bytes(self, *, is_urgent: bool) -> int:
        """How many bytes may be sent of what waits in the spool; `is_urgent`: reports of installs and faults."""
        budget = self._settings.daily_budget_bytes
        if not budget:
            return self._settings.spool_max_bytes
        day = self._ledger.day()
        left = budget - day.urgent_bytes - day.bulk_bytes
        return max(0, left if is_urgent else min(left, budget - self._reserve() - day.bulk_bytes))

    def paced_s(self, period_s: float) -> float:
        """A period of check-ins, stretched where the day's reserve would not last at that pace."""
        if not self._settings.daily_budget_bytes:
            return period_s
        day = self._ledger.day()
        left_bytes = max(0, self._reserve() - day.urgent_bytes)
        left_s = self._resets_in_s(day)
        if left_bytes < self._cost_bytes(day):
            return max(period_s, left_s)
        return max(period_s, min(left_s, left_s * self._cost_bytes(day) / left_bytes))

    def checked_in(self, signed: float) -> None:
        """Hear that a check-in has been made: what it cost is learned, and the last time that the hub has signed."""
        self._ledger.checked_in(signed)

    def state(self) -> AllowanceState:
        """What people want to know."""
        day = self._ledger.day()
        return AllowanceState(
            budget_bytes=self._settings.daily_budget_bytes,
            urgent_bytes=day.urgent_bytes,
            bulk_bytes=day.bulk_bytes,
            resets_in_s=self._resets_in_s(day),
            downloads=self.may_download(),
            switches=self.may_switch(),
        )

    def _within(self, open_at: list[windows.Window], what: str) -> Leave:
        now = self._now()
        wait_s = windows.opens_at(open_at, now, self._zone) - now
        return GIVEN if wait_s <= 0 else Leave(is_given=False, reason=f"{what} wait for their window", wait_s=wait_s)

    def _within_budget(self) -> Leave:
        if not self._settings.daily_budget_bytes or self.may_send_bytes(is_urgent=False) > 0:
            return GIVEN
        wait_s = self._resets_in_s(self._ledger.day())
        return Leave(is_given=False, reason="the day's bytes for downloads are used up", wait_s=wait_s)

    def _reserve(self) -> int:
        return int(self._settings.daily_budget_bytes * self._settings.reserved_share)

    def _cost_bytes(self, day: Day) -> float:
        return day.urgent_bytes / day.check_ins if day.check_ins and day.urgent_bytes else CHECK_IN_BYTES

    def _resets_in_s(self, day: Day) -> float:
        return max(0.0, day.ends_at - day.at)


def day_end(time_zone: str) -> Callable[[float], float]:
    """When the day ends that a moment lies in, for the ledger."""
    where = _zone(time_zone)
    return lambda moment: windows.next_midnight(moment, where)


def check_windows(settings: Settings) -> None:
    """Raise InvalidInput for a window or a time zone that this device cannot make sense of."""
    windows.zone(settings.time_zone)
    for field in ("download_windows", "switch_windows"):
        for text in getattr(settings, field):
            windows.parse(text, field)


def _zone(name: str) -> ZoneInfo | None:
    """The zone; the device's own, with a warning, where it is not known: no agent ends for that."""
    try:
        return windows.zone(name)
    except InvalidInput as error:
        logs.warn("the device's own time zone counts", reason=error.message)
        return None


def _readable(field: str, texts: Sequence[str]) -> list[windows.Window]:
    found: list[windows.Window] = []
    for text in texts:
        try:
            found.append(windows.parse(text, field))
        except InvalidInput as error:
            logs.warn("a window is passed over", field=field, reason=error.message)
    return found
