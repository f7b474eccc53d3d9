"""The agent as a process of its own, with a real worker and a real model: killed without warning, started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted_hub import CLAIM, ScriptedHub

from edgewright.agent import states
from edgewright.agent.states import ModelRecord, Step
from edgewright.contract import manifest as manifests
from edgewright.contract.order import Install
from edgewright.contract.report import Outcome

PATIENCE_S = 30.0


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    yield hub
    hub.close()


class AgentProcess:
    """`edgewright-agent run`, on a slow link."""

    def __init__(self, root: Path, hub: ScriptedHub) -> None:
        self.root = root
        options = ["--hub", hub.url, "--claim", CLAIM, "--poll-s", "0.2", "--bandwidth-bytes-s", "30000"]
        command = [sys.executable, "-m", "edgewright.agent", "run", "--dir", str(root), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def record(self) -> ModelRecord | None:
        path = self.root / "models" / "digits" / "state.json"
        return states.decode(path.read_bytes()) if path.exists() else None

    def wait_for(self, step: Step) -> ModelRecord:
        """Watch the record on the disk until it names `step`."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            record = self.record()
            if record is not None and record.step is step:
                return record
            assert self.process.poll() is None
        raise AssertionError(f"never came to {step}")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=10)


def order_of(hub: ScriptedHub, slot: Path) -> Install:
    """Publish what lies in a slot."""
    data = (slot / "manifest.json").read_bytes()
    manifest = manifests.decode(data)
    for path in slot.iterdir():
        hub.shelf.add(path.read_bytes())
    install = Install(
        deployment="d1",
        model="digits",
        version=manifest.version,
        counter=manifest.counter,
        target_path=f"digits/{manifest.counter}/{manifest.target}.json",
        manifest_sha256=manifests.digest(data),
        fetches=(),
    )
    return hub.publish(install, data)


@pytest.mark.e2e
def test_a_killed_agent_goes_on_with_its_install_and_ends_it_with_a_real_worker(tmp_path, hub, device, good):
    order_of(hub, device.pack("a", good))
    root = tmp_path / "device"
    agents = [AgentProcess(root, hub)]
    try:
        for step in (Step.FETCH, Step.TRIAL):
            agents[-1].wait_for(step)
            agents[-1].end(signal.SIGKILL)
            agents.append(AgentProcess(root, hub))
        record = agents[-1].wait_for(Step.IDLE)
        while not hub.records:
            assert agents[-1].process.poll() is None
        code = agents[-1].end(signal.SIGTERM)
    finally:
        for agent in agents:
            agent.process.kill()
            agent.process.wait()

    report = hub.records[0]
    assert (record.active, record.floor, code) == ("a", 10, 0)
    assert (report.outcome, report.interruptions) == (Outcome.COMMITTED, 2)
    assert report.golden.passed
