"""Two agents on one folder: the second is refused, the first goes on; and a killed one leaves nothing in the way."""

from __future__ import annotations

import json
import signal

import pytest
from faults.living import furnish, living

pytestmark = pytest.mark.e2e


def test_a_second_agent_is_refused_and_the_first_serves_on(tmp_path):
    root = tmp_path / "device"
    furnish(root)

    with living(root, tmp_path / "first") as first:
        assert first.serves(), first.said
        with living(root, tmp_path / "second") as second:
            code = second.process.wait(timeout=20)
        is_still_serving = first.serves()

    assert code == 1
    assert f"another agent runs on {root}" in second.said
    assert "help: Stop the other agent" in second.said
    assert is_still_serving


def test_an_agent_that_was_killed_leaves_no_lock_and_no_socket_in_the_way(tmp_path):
    root = tmp_path / "device"
    furnish(root)

    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        with living(root, tmp_path / "log") as agent:
            assert agent.serves(), agent.said
            agent.process.send_signal(number)
            code = agent.process.wait(timeout=20)

    assert code == 0


def test_boots_that_end_early_do_not_cost_a_settled_model(tmp_path):
    """Another id of the boot, time and again: as a device does whose power is cut every minute."""
    root = tmp_path / "device"
    furnish(root)

    for number in range(5):
        with living(root, tmp_path / "log") as agent:
            assert agent.serves(), agent.said
            agent.process.kill()
            agent.process.wait(timeout=20)
        _reboot(root, number)

    with living(root, tmp_path / "log") as agent:
        assert agent.serves(), agent.said


def _reboot(root, number: int) -> None:
    """Let what the folder knows of the last boot be of another one, and its sockets be gone."""
    for path in root.glob("*.json"):
        facts = json.loads(path.read_bytes())
        if isinstance(facts, dict) and "boot" in facts:
            path.write_text(json.dumps({**facts, "boot": f"00000000-0000-0000-0000-{number:012d}"}))
