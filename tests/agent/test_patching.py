"""A delta is applied beside the loop: it is waited for, broken off, and begun again."""

from __future__ import annotations

import select
import time
from pathlib import Path

import pytest
from device import Applied, Device, Releases, Shelf, patch, reports, serving_counter

from edgewright.agent.install import start_patch, timed
from edgewright.agent.states import Step
from edgewright.agent.system import Bell
from edgewright.contract.delta import make
from edgewright.contract.errors import HostileInput
from edgewright.contract.report import Outcome


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


class Slow:
    """Deltas that take as long as the test says; each that was begun is in `begun`."""

    def __init__(self) -> None:
        self.begun: list[Slow.One] = []

    def __call__(self, base: Path, delta: Path, result: Path, max_bytes: int) -> Slow.One:
        self.begun.append(self.One(patch(base, delta, result, max_bytes)))
        return self.begun[-1]

    class One:
        def __init__(self, applied: Applied) -> None:
            self.bell = Bell()
            self.is_killed = False
            self._applied = applied

        def is_done(self) -> bool:
            return self.bell.is_rung and self._applied.is_done()

        def waits_on(self) -> tuple[int, ...]:
            return (self.bell.fileno(),)

        def kill(self) -> None:
            self.is_killed = True


@pytest.fixture
def releases() -> Releases:
    return Releases(Shelf())


def applying(root: Path, releases: Releases, slow: Slow) -> Device:
    """A device that has fetched the delta to release 2, and waits for what it makes."""
    device = Device(root, releases.shelf, patch=slow)
    device.machine.offer(*releases.install(2))
    while not slow.begun:
        device.machine.step()
    return device


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def device(tmp_path, releases, slow) -> Device:
    Device(tmp_path, releases.shelf).take(releases.install(1))
    return applying(tmp_path, releases, slow)


def test_the_loop_waits_for_the_child_and_not_in_it(device, slow):
    assert device.machine.step() is False
    assert device.machine.waits_on() == slow.begun[0].waits_on()

    slow.begun[0].bell.ring()
    device.settle()

    assert serving_counter(device.root) == 2
    assert reports(device.root)[-1].used_delta
    assert device.machine.waits_on() == ()


def test_a_stop_kills_the_child_and_the_next_start_begins_again(device, releases, slow):
    device.machine.stop()

    again = applying(device.root, releases, Slow())
    again.machine._fetcher._errand.applying.process.bell.ring()
    again.settle()

    assert slow.begun[0].is_killed
    assert serving_counter(device.root) == 2


def test_a_newer_release_kills_the_child(device, releases, slow):
    device.machine.heed(releases.install(3)[0])
    device.settle()

    assert slow.begun[0].is_killed
    assert (device.record.step, reports(device.root)[-1].outcome) == (Step.IDLE, Outcome.FAILED)


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path, Path]:
    base, delta, result = (tmp_path / name for name in ("base", "delta", "result"))
    base.write_bytes(bytes(range(256)) * 40)
    new = tmp_path / "new"
    new.write_bytes(base.read_bytes() + b"more")
    make(base, new, delta)
    return base, delta, result


def test_a_real_child_wakes_who_waits_and_is_timed(files):
    base, _, result = files
    told: list[int] = []
    patching = timed(start_patch, lambda size_bytes, _: told.append(size_bytes), time.monotonic)(*files, 16_000)

    while not patching.is_done():
        assert select.select(patching.waits_on(), [], [], 30.0)[0]

    assert result.read_bytes() == base.read_bytes() + b"more"
    assert told == [10_244]


def test_a_child_that_is_killed_gives_no_result(files):
    patching = start_patch(*files, 16_000)
    patching._child._process.kill()
    patching._child._process.wait()

    with pytest.raises(HostileInput, match="does not apply"):
        patching.is_done()
