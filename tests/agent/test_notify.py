"""What the service manager hears of the agent."""

from __future__ import annotations

import math
import os
import socket

import pytest

from edgewright.agent.system.notify import ServiceNotices


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        yield heard


def notices(heard: socket.socket) -> list[str]:
    found = []
    try:
        while True:
            found.append(heard.recv(200).decode())
    except BlockingIOError:
        return found


def test_ready_once_then_signs_of_life_in_time_then_stopping(manager, tmp_path):
    now = [0.0]
    part = ServiceNotices({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}, lambda: now[0])

    assert part.turn() == 30.0
    assert notices(manager) == ["READY=1", "WATCHDOG=1"]
    now[0] = 29.0
    assert part.turn() == 1.0
    now[0] = 30.0
    part.turn()
    part.close()

    assert notices(manager) == ["WATCHDOG=1", "STOPPING=1"]


def test_an_abstract_address_is_understood():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0edgewright-test-{os.getpid()}")
        ServiceNotices({"NOTIFY_SOCKET": f"@edgewright-test-{os.getpid()}"}, lambda: 0.0).turn()

        assert heard.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environment",
    [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}],
)
def test_without_anybody_to_tell_nothing_happens(environment):
    part = ServiceNotices(environment, lambda: 0.0)

    assert part.turn() == math.inf
    part.close()
