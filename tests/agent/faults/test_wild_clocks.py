"""A clock that shows 1970, or 2099, or jumps between any two steps, costs no install, no roll back and no model."""

from __future__ import annotations

import random
import shutil

import device as devices
import pytest
from device import Device, Shelf, reports, serving_counter
from faults.living import furnish, living
from faults.packages import RealReleases, answering_counter

from edgewright.agent.states import Crash, active_slot
from edgewright.contract.order import Rollback
from edgewright.contract.report import Outcome
from hostile.campaign import SEED

AT_1970, AT_2099 = 3.0, 4_075_000_000.0
CLOCKS = {
    "1970": lambda: AT_1970,
    "2099": lambda: AT_2099,
    "jumping": lambda chance=random.Random(SEED): chance.choice([AT_1970, AT_2099, 1.8e9, 1.8e9 + 1, 0.0, -5.0]),
}


class ByAnyClock:
    """A device whose clock is set anew before each step."""

    def __init__(self, root, monkeypatch, clock) -> None:
        self._patch, self._clock = monkeypatch, clock
        self.shelf = Shelf()
        self.releases = RealReleases(self.shelf)
        self._turn()
        self.device = Device(root, self.shelf)

    def settle(self) -> None:
        while not self.device.machine.is_idle:
            self._turn()
            self.device.machine.step()

    def install(self, counter: int) -> None:
        self._turn()
        self.device.machine.offer(*self.releases.install(counter))
        self.settle()

    def _turn(self) -> None:
        self._patch.setattr(devices, "NOW", self._clock())


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.mark.parametrize("clock", CLOCKS)
def test_installs_and_an_ordered_roll_back_end_as_ever(clock, tmp_path, monkeypatch):
    one = ByAnyClock(tmp_path, monkeypatch, CLOCKS[clock])

    for counter in (1, 2, 3):
        one.install(counter)
    one.device.machine.give_up(Rollback(deployment="d3", model="digits", counter=3, reason="accuracy fell"))
    one.settle()

    assert (answering_counter(tmp_path), one.device.record.floor) == (2, 3)
    assert [report.outcome for report in reports(tmp_path)] == [Outcome.COMMITTED] * 3 + [Outcome.ROLLED_BACK]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_package_that_crashes_three_times_in_one_boot_gives_way(clock, tmp_path, monkeypatch):
    one = ByAnyClock(tmp_path, monkeypatch, CLOCKS[clock])
    for counter in (1, 2):
        one.install(counter)
    package = active_slot(one.device.record)

    for _ in range(3):
        one.device.machine.blame(Crash(model="digits", manifest_sha256=package.manifest_sha256, reason="it crashed"))
        one.settle()

    assert serving_counter(tmp_path) == 1


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("faketime") is None, reason="Debian's faketime is not installed")
@pytest.mark.parametrize("moment", ["1970-01-02 00:00:00", "2099-01-01 00:00:00"])
def test_a_whole_agent_serves_at_any_time(moment, tmp_path):
    root = tmp_path / "device"
    furnish(root)

    with living(root, tmp_path / "log", before=("faketime", moment)) as agent:
        assert agent.serves(), agent.said
        assert agent.stays(2), agent.said
