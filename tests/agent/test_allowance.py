"""What a device may do on its line: windows over midnight and changes of the clock, and a day's bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from edgewright.agent.disk.ledger import Clocks, Ledger
from edgewright.agent.disk.settings import Settings
from edgewright.agent.link import Allowance, Later, day_end
from edgewright.agent.link.allowance import check_windows
from edgewright.contract import windows
from edgewright.contract.errors import InvalidInput

BERLIN = ZoneInfo("Europe/Berlin")
DAY_S = 86_400.0
NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC).timestamp()  # a Wednesday


def at(text: str, where=UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=where).timestamp()


def opening(text: str, now: float, where=None) -> float:
    return windows.opens_at([windows.parse(text)], now, where or ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("22:00-05:00", "2026-11-18 21:59", "2026-11-18 22:00"),
        ("22:00-05:00", "2026-11-18 22:00", "2026-11-18 22:00"),
        ("22:00-05:00", "2026-11-19 04:59", "2026-11-19 04:59"),
        ("22:00-05:00", "2026-11-19 05:00", "2026-11-19 22:00"),
        ("fri 22:00-05:00", "2026-11-21 04:00", "2026-11-21 04:00"),  # Saturday, in Friday's window
        ("fri 22:00-05:00", "2026-11-22 04:00", "2026-11-27 22:00"),
        ("mon-fri 08:00-09:00", "2026-11-20 09:00", "2026-11-23 08:00"),
        ("sat,sun 00:00-24:00", "2026-11-18 12:00", "2026-11-21 00:00"),
        ("sun-mon 00:00-24:00", "2026-11-22 23:59", "2026-11-22 23:59"),
        ("00:00-00:00", "2026-11-18 12:00", "2026-11-18 12:00"),  # round the clock
    ],
)
def test_a_window_opens_when_it_says(window, now, opens):
    assert opening(window, at(now)) == at(opens)


def test_a_window_in_the_hour_that_is_left_out_opens_an_hour_later_by_the_clock():
    opens = opening("02:15-02:45", at("2026-03-29 01:00", BERLIN), BERLIN)

    assert datetime.fromtimestamp(opens, BERLIN).isoformat() == "2026-03-29T03:15:00+02:00"


def test_a_window_in_the_hour_that_comes_twice_opens_once():
    first = opening("02:15-02:45", at("2026-10-25 01:00", BERLIN), BERLIN)
    after = opening("02:15-02:45", first + 1800.0, BERLIN)

    assert datetime.fromtimestamp(first, BERLIN).isoformat() == "2026-10-25T02:15:00+02:00"
    assert datetime.fromtimestamp(after, BERLIN).isoformat() == "2026-10-26T02:15:00+01:00"


@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
def test_a_window_over_a_change_of_the_clock_ends_at_its_hour(day):
    begin = at(f"{day} 22:00", BERLIN)
    end = datetime.fromtimestamp(begin + 12 * 3600, BERLIN).replace(hour=5, minute=0).timestamp()

    assert opening("22:00-05:00", end - 1.0, BERLIN) == end - 1.0
    assert opening("22:00-05:00", end, BERLIN) > end


@pytest.mark.parametrize(
    "text", ["", "22-05", "25:00-26:00", "foo 22:00-05:00", "mon- 1:00-2:00", "22:00-05:60", "x" * 99]
)
def test_a_window_that_is_none_is_told_with_its_field(text):
    with pytest.raises(InvalidInput) as refusal:
        windows.parse(text, "download_windows")

    assert refusal.value.field == "download_windows"


def test_an_unknown_time_zone_is_told():
    with pytest.raises(InvalidInput, match="no time zone"):
        windows.zone("Europe/Atlantis")


class Machine:
    """A device's clocks, and its folder: `believed` is set by people and hubs, `up_s` by nobody."""

    def __init__(self, root, budget_bytes: int = 1_000_000, **changes) -> None:
        self.root = root
        self.believed, self.up_s, self.boot = NOON, 1000.0, "first"
        self.settings = Settings(daily_budget_bytes=budget_bytes, time_zone="UTC", **changes)
        self.start()

    def start(self) -> None:
        clocks = Clocks(lambda: self.believed, lambda: self.up_s, self.boot)
        self.ledger = Ledger(self.root, clocks, day_end("UTC"), self.settings.daily_budget_bytes)
        self.allowance = Allowance(self.settings, self.ledger, lambda: self.believed)

    def reboot(self, off_s: float = 0.0) -> None:
        self.boot, self.up_s = self.boot + "'", 10.0
        self.believed += off_s
        self.start()

    def pass_time(self, s: float) -> None:
        self.believed += s
        self.up_s += s

    @property
    def left_bytes(self) -> int:
        return self.allowance.may_send_bytes(is_urgent=False)

    def spend_all(self) -> None:
        self.ledger.count(self.left_bytes, is_bulk=True)


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_bulk_leaves_a_share_to_what_is_small_and_matters(machine):
    machine.spend_all()

    assert not machine.allowance.may_download().is_given
    assert machine.left_bytes == 0
    assert machine.allowance.may_send_bytes(is_urgent=True) == 200_000


def test_what_was_spent_is_spent_after_a_restart_and_after_a_reboot(machine):
    machine.spend_all()

    machine.start()
    again = machine.left_bytes
    machine.reboot(off_s=60.0)

    assert again == machine.left_bytes == 0


def test_a_cut_of_the_power_costs_a_step_and_grants_nothing(machine):
    machine.ledger.count(300_000, is_bulk=True)

    machine.reboot(off_s=60.0)

    assert 800_000 - 300_000 - 10_000 <= machine.left_bytes <= 800_000 - 300_000


def test_a_thousand_cuts_of_the_power_a_day_grant_nothing(machine):
    for _ in range(1000):
        machine.ledger.count(500, is_bulk=True)
        machine.reboot(off_s=1.0)

    assert machine.left_bytes == 0


def test_the_next_day_begins_at_local_midnight(machine):
    machine.spend_all()

    machine.pass_time(12 * 3600.0 - 1.0)
    before = machine.left_bytes
    machine.pass_time(1.0)

    assert (before, machine.left_bytes) == (0, 800_000)


@pytest.mark.parametrize("jump_s", [DAY_S, 70 * 365 * DAY_S, -DAY_S, -50 * 365 * DAY_S])
def test_a_clock_that_jumps_grants_no_second_budget_and_starves_nobody(machine, jump_s):
    machine.spend_all()

    machine.believed += jump_s
    granted = machine.left_bytes
    machine.pass_time(DAY_S)

    assert granted == 0
    assert machine.left_bytes == 800_000


def test_a_clock_that_went_to_2099_and_back_over_reboots_starves_nobody(machine):
    machine.believed += 73 * 365 * DAY_S
    machine.reboot()
    machine.spend_all()
    machine.believed = NOON
    machine.reboot()

    granted = machine.left_bytes
    machine.ledger.checked_in(NOON)
    machine.pass_time(DAY_S)

    assert granted == 0
    assert machine.left_bytes == 800_000
    assert machine.ledger.day().at < NOON + 2 * DAY_S


def test_days_that_the_machine_was_off_count(machine):
    machine.spend_all()

    machine.reboot(off_s=3 * DAY_S)

    assert machine.left_bytes == 800_000


def test_check_ins_are_paced_so_that_their_share_lasts(machine, tell_figure):
    wanted_s = 30.0
    count = 0
    while machine.believed < NOON + 12 * 3600.0 - 60.0:
        machine.ledger.count(6_000, is_bulk=False)
        machine.ledger.checked_in(0.0)
        count += 1
        machine.pass_time(machine.allowance.paced_s(wanted_s))

    tell_figure(f"a reserve of 200 000 bytes a day: {count} check-ins of 6 000 bytes in 12 h")
    assert 20 <= count <= 34
    assert machine.ledger.day().urgent_bytes <= 210_000


def test_without_a_budget_nothing_waits_and_nothing_is_written(tmp_path):
    machine = Machine(tmp_path, budget_bytes=0)
    machine.ledger.count(10**9, is_bulk=True)

    assert machine.allowance.may_download().is_given
    assert machine.allowance.paced_s(30.0) == 30.0
    assert list(tmp_path.iterdir()) == []


def test_a_wait_says_why_and_until_when(tmp_path):
    machine = Machine(tmp_path, download_windows=("22:00-05:00",), switch_windows=("sun 03:00-04:00",))

    state = machine.allowance.state()

    assert (state.downloads.reason, state.downloads.wait_s) == ("downloads wait for their window", 10 * 3600.0)
    assert state.switches.wait_s == at("2026-11-22 03:00") - NOON
    with pytest.raises(Later) as later:
        machine.allowance.hold()
    assert later.value.wait_s <= 900.0  # then it looks at the clock again


def test_a_damaged_ledger_is_begun_anew(machine):
    (machine.root / "ledger.json").write_bytes(b"\0" * 40)

    machine.start()

    assert machine.left_bytes == 800_000


def test_settings_that_no_longer_make_sense_end_no_agent(tmp_path):
    machine = Machine(tmp_path, download_windows=("gibberish", "22:00-05:00"))
    machine.settings = msgspec.structs.replace(machine.settings, time_zone="Europe/Atlantis")

    machine.start()

    assert not machine.allowance.may_download().is_given
    with pytest.raises(InvalidInput):
        check_windows(machine.settings)


@pytest.mark.parametrize(
    ("own", "ordered", "wait_h"),
    [
        ((), (), 0.0),
        ((), ("22:00-05:00",), 10.0),
        (("20:00-23:00",), ("22:00-05:00",), 10.0),
        (("23:00-04:00",), ("22:00-05:00",), 11.0),
        (("08:00-14:00",), ("12:00-13:00",), 0.0),
    ],
)
def test_a_switch_waits_for_the_device_s_window_and_for_the_order_s(tmp_path, own, ordered, wait_h):
    machine = Machine(tmp_path, switch_windows=own)

    leave = machine.allowance.may_switch(ordered)

    assert (leave.is_given, leave.wait_s) == (wait_h == 0, wait_h * 3600.0)


def test_an_order_s_window_that_is_none_is_told():
    with pytest.raises(InvalidInput):
        Allowance(Settings(), None, lambda: NOON).may_switch(("at night",))
