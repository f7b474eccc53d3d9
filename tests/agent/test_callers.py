"""Who calls a model for which no worker can be started."""

from __future__ import annotations

import socket
import time

from descriptors import no_descriptor_left

from edgewright.agent.disk import Settings
from edgewright.agent.link import Chance
from edgewright.agent.states import Active
from edgewright.agent.system import Bell
from edgewright.agent.workers import Workers

ACTIVE = Active(slot="a", manifest_sha256="a" * 64, version=1, counter=10)


def test_a_caller_for_whom_there_is_no_descriptor_does_not_keep_the_agent_awake(tmp_path):
    now = [0.0]
    no_memory = Settings(memory_max_bytes=1)
    workers = Workers(tmp_path, no_memory, monotonic=lambda: now[0], chance=Chance(), bell=Bell())
    workers.follow("digits", ACTIVE, None, 0)
    workers.turn()
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(tmp_path / "run" / "digits.sock"))

    with no_descriptor_left():
        again_s = workers.turn()
        deaf = len(list(workers.waits_on()))
    now[0] += again_s
    workers.turn()

    assert 0 < again_s <= 1.0
    assert (deaf, len(list(workers.waits_on()))) == (1, 3)
    client.close()
    workers.close()


def test_orders_that_come_while_the_agent_stops_harm_nobody(tmp_path):
    workers = Workers(tmp_path, Settings(), monotonic=time.monotonic, chance=Chance(), bell=Bell())
    workers.close()

    workers.follow("digits", ACTIVE, None, 0)

    assert workers.states() == []
