"""One key in two places, as the devices' doors see it: found, shut out, and let in again by a person."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import DeviceState
from edgewright.hub.fleet.devices.lives import LATE_S
from edgewright.hub.web.devices import DeviceDoors
from hub.web.test_check_ins_from_memory import OPERATOR, Agent
from scenes.dashboard import NOW, empty_hub

POLL_S = 60.0


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hub(tmp_path, clock):
    hub = empty_hub(tmp_path, clock)
    yield hub
    hub.stop()


@pytest.fixture
def agent(hub):
    doors = DeviceDoors(hub)
    hub.events.look()
    agent = Agent(hub, doors, "lane-1")
    assert [agent.check_in(), agent.check_in()] == [200, 304]
    return agent


def copy_of(agent, life):
    copy = Agent.__new__(Agent)
    copy.__dict__ |= agent.__dict__
    copy.said, copy.turn = msgspec.structs.replace(agent.said, life=life), 0
    return copy


def test_a_copy_that_goes_on_beside_its_original_shuts_the_key_out_until_a_person_releases_it(hub, agent, clock):
    copy, answers = copy_of(agent, "two"), []
    while 403 not in answers:
        clock.now += POLL_S
        answers += [agent.check_in(), copy.check_in()]
        assert clock.now < NOW + LATE_S + 10 * POLL_S

    assert (agent.check_in(), agent.error) == (403, "device_quarantined")
    assert int(agent.headers[b"retry-after"]) > 0
    assert hub.fleet.device(agent.id).state is DeviceState.QUARANTINED
    hub.fleet.release(OPERATOR, agent.id, "the copy is wiped")
    hub.events.look()
    for _ in range(20):
        clock.now += POLL_S
        assert agent.check_in() == 304
    assert [entry.kind for entry in hub.fleet.history(agent.id)] == ["fleet.released", "fleet.quarantined"]


def test_reboots_one_after_the_other_shut_nobody_out(hub, agent, clock):
    for life in range(12):
        rebooted = copy_of(agent, f"life {life}")
        for _ in range(4):
            clock.now += POLL_S
            assert rebooted.check_in() == 304

    assert hub.fleet.device(agent.id).state is DeviceState.ACTIVE
