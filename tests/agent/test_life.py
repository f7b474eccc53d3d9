"""What check-ins tell of the agent's life: its name, its turns, and the machine while that is news."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.agent.supervisor.life import Life, is_news
from edgewright.contract.report import Capabilities, CheckIn

MACHINE = Capabilities(
    arch="x86_64", cores=4, ram_bytes=2**30, disk_free_bytes=1000, runtimes={"onnxruntime": "1.23.2"}, agent_version="1"
)
NOTHING = CheckIn(nonce="n")


class Measured:
    """A machine that changes when the test says so; a measurement may fail."""

    def __init__(self) -> None:
        self.now, self.machine, self.looks, self.is_away = 0.0, MACHINE, 0, False
        self.life = Life("a1", self.measure, lambda: self.now)

    def measure(self) -> Capabilities:
        self.looks += 1
        if self.is_away:
            raise OSError("no disk")
        return self.machine

    def tell(self, *, is_answered: bool = True) -> CheckIn:
        said = self.life.sign(NOTHING)
        if is_answered:
            self.life.answered(said)
        return said


def test_every_check_in_that_is_tried_has_the_next_turn_of_one_life():
    device = Measured()

    said = [device.tell(is_answered=False) for _ in range(3)]

    assert [(one.life, one.turn) for one in said] == [("a1", 1), ("a1", 2), ("a1", 3)]


def test_the_machine_is_told_until_the_hub_has_answered():
    device = Measured()

    said = [device.tell(is_answered=is_answered) for is_answered in (False, False, True, True)]

    assert [one.machine for one in said] == [MACHINE, MACHINE, MACHINE, None]
    assert device.looks == 1


def test_a_machine_that_has_changed_is_told_again_within_the_hour():
    device = Measured()
    device.tell()
    device.machine = msgspec.structs.replace(MACHINE, link_kind="cellular")

    device.now = 3599.0
    before = device.tell()
    device.now = 3600.0
    after = device.tell()

    assert (before.machine, after.machine) == (None, device.machine)
    assert device.looks == 2


def test_a_machine_that_cannot_be_measured_checks_in_all_the_same():
    device = Measured()
    device.is_away = True

    assert device.tell().machine is None

    device.is_away, device.now = False, 3600.0
    assert device.tell().machine == MACHINE


@pytest.mark.parametrize(
    ("free_bytes", "expected"), [(1000, False), (1100, False), (900, False), (874, True), (0, True)]
)
def test_the_disk_is_news_only_where_much_of_it_has_gone_or_come(free_bytes, expected):
    assert is_news(msgspec.structs.replace(MACHINE, disk_free_bytes=free_bytes), MACHINE) is expected
