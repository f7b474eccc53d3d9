"""Power is cut between any two operations on the disk: apps find a working model, and the install comes to its end."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from device import BAD, GOOD, Device, Releases, Shelf, Verdicts, reports, serving_counter
from power import Power, PowerCut, Recorder, contents, disks, lay_out

from edgewright.contract.order import Rollback
from edgewright.contract.report import Outcome

ROLL_BACK = Rollback(deployment="d2", model="digits", counter=2, reason="accuracy fell")
DISKS_PER_CUT = 3

pytestmark = pytest.mark.e2e  # the quick forms are those of the rigs in tests/agent/faults


class Scenario:
    """What is on the device before, what is ordered, and where it must end."""

    def __init__(self, installed: int, script: tuple, ends_at: int, outcome: Outcome, is_rolling_back: bool = False):
        self.installed = installed
        self.script = script
        self.ends_at = ends_at
        self.outcome = outcome
        self.is_rolling_back = is_rolling_back
        self.shelf = Shelf()
        self.releases = Releases(self.shelf)

    def prepare(self, root: Path) -> None:
        for counter in range(1, self.installed + 1):
            Device(root, self.shelf).take(self.releases.install(counter))
        root.mkdir(exist_ok=True)

    def act(self, root: Path) -> Device:
        """Boot and do what is ordered, as often as it takes."""
        device = Device(root, self.shelf, Verdicts(*self.script))
        device.settle()
        if self.is_rolling_back:
            device.machine.give_up(ROLL_BACK)
        else:
            device.machine.offer(*self.releases.install(self.installed + 1))
        return device.settle()


SCENARIOS = {
    "first install": lambda: Scenario(0, GOOD, 1, Outcome.COMMITTED),
    "update": lambda: Scenario(1, GOOD, 2, Outcome.COMMITTED),
    "second update": lambda: Scenario(2, GOOD, 3, Outcome.COMMITTED),
    "bad update": lambda: Scenario(1, BAD, 1, Outcome.ROLLED_BACK),
    "rollback": lambda: Scenario(2, GOOD, 1, Outcome.ROLLED_BACK, is_rolling_back=True),
}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    """Thousands of small files are made here: in memory, where there is such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as path:
        yield Path(path)


@pytest.mark.parametrize("name", ["first install", "update", "bad update", "rollback"])
def test_a_kill_between_any_two_operations_leaves_a_working_model(folder, name):
    scenario = SCENARIOS[name]()
    seed, root = folder / "seed", folder / "device"
    scenario.prepare(seed)
    count = operations(scenario, seed, root)

    for cut_at in range(count):
        again(seed, root)
        with pytest.raises(PowerCut), Power(root, cut_at):
            scenario.act(root)
        assert serving_counter(root) in (scenario.installed, scenario.ends_at), f"cut before operation {cut_at}"

        scenario.act(root)
        check_end(scenario, root, f"cut before operation {cut_at} of {count}")
    print(f"{name}: cut before each of {count} operations")  # noqa: T201


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_second_cut_while_it_recovers_changes_nothing(folder, name):
    scenario = SCENARIOS[name]()
    seed, root = folder / "seed", folder / "device"
    scenario.prepare(seed)
    count = operations(scenario, seed, root)
    chance = random.Random(3)

    for _ in range(12):
        again(seed, root)
        for cut_at in (chance.randrange(count), chance.randrange(30)):
            try:
                with Power(root, cut_at):
                    scenario.act(root)
            except PowerCut:
                pass
            assert serving_counter(root) in (scenario.installed, scenario.ends_at)

        scenario.act(root)
        check_end(scenario, root, "two cuts")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_power_cut_may_lose_what_was_not_synced(folder, name):
    scenario = SCENARIOS[name]()

    bricked, tried = count_bricked(scenario, folder)

    print(f"{name}: {tried} states of the disk")  # noqa: T201
    assert bricked == []


def test_this_test_would_notice_a_device_that_does_not_sync(folder):
    bricked, tried = count_bricked(SCENARIOS["second update"](), folder, is_syncing=False)

    assert len(bricked) > tried / 20


def count_bricked(scenario: Scenario, folder: Path, is_syncing: bool = True) -> tuple[list[int], int]:
    """The cuts after which some state of the disk does not boot into a working model and come to its end."""
    seed, root = folder / "seed", folder / "device"
    scenario.prepare(seed)
    again(seed, root)
    before = contents(root)
    folders = [str(path) for path in root.rglob("*") if path.is_dir()]
    with Recorder(root, is_syncing) as recorder:
        scenario.act(root)
    chance, seen, bricked = random.Random(1), set(), []
    for cut in range(len(recorder.operations) + 1):
        for _ in range(DISKS_PER_CUT):
            disk = disks(recorder.operations, before, cut, chance)
            if (key := hash(tuple(sorted(disk.items())))) not in seen:
                seen.add(key)
                shutil.rmtree(root)
                lay_out(root, disk, folders)
                if not survives(scenario, root):
                    bricked.append(cut)
    return bricked, len(seen)


def survives(scenario: Scenario, root: Path) -> bool:
    floor = scenario.installed
    booted = Device(root, scenario.shelf, Verdicts())
    if serving_counter(root) not in (scenario.installed, scenario.ends_at) or booted.record.floor < floor:
        return False
    scenario.act(root)
    return serving_counter(root) == scenario.ends_at


def operations(scenario: Scenario, seed: Path, root: Path) -> int:
    """How many operations the whole way takes."""
    again(seed, root)
    with Power(root) as power:
        scenario.act(root)
    check_end(scenario, root, "no cut")
    return power.count


def again(seed: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(seed, root)


def check_end(scenario: Scenario, root: Path, when: str) -> None:
    assert serving_counter(root) == scenario.ends_at, when
    told = [report for report in reports(root) if report.id not in {f"d{n}:{n}:committed" for n in range(1, 3)}]
    if scenario.outcome is Outcome.COMMITTED:
        told = [report for report in reports(root) if report.counter == scenario.ends_at]
    assert {report.outcome for report in told} == {scenario.outcome}, when
    assert len({report.id for report in told}) == 1, when
