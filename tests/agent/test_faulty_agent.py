"""A real agent with a model that breaks after it was committed: it goes back by itself, and the agent lives."""

from __future__ import annotations

import contextlib
import http.client
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from misbehaving import REQUEST, install, see_faulty_runtime
from on_disk import ModelOnDisk
from scripted_hub import ScriptedHub
from serving import Client
from test_agent_process import AgentProcess, order_of

from edgewright.agent.disk import Settings, settings
from edgewright.contract.report import Fault, InstallReport, Outcome

pytestmark = pytest.mark.e2e
PATIENCE_S = 90.0


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    yield hub
    hub.close()


def reports(hub: ScriptedHub) -> list[InstallReport]:
    return [record for record in hub.records if isinstance(record, InstallReport)]


def wait(agent: AgentProcess, holds: Callable[[], object], meanwhile: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, agent.record()
        assert agent.process.poll() is None
        meanwhile()
        time.sleep(0.001)


def status(root: Path) -> int:
    """What a request on a connection of its own is answered with; 0 for nothing."""
    client = Client(root / "run" / "digits.sock")
    with contextlib.suppress(OSError, http.client.HTTPException):
        return client.ask("POST", "/v2/models/digits/infer", msgspec.json.encode(REQUEST)).status
    return 0


@pytest.mark.parametrize(
    ("fault", "request_number", "reason"),
    [("segfault", 1000, "SIGSEGV"), ("hang", 700, "the worker hangs"), ("leak", 700, "MiB of memory")],
)
def test_a_model_that_breaks_after_its_commit_is_rolled_back(
    tmp_path, hub, device: ModelOnDisk, monkeypatch, fault, request_number, reason
):
    see_faulty_runtime(monkeypatch)
    root = tmp_path / "device"
    root.mkdir()
    settings.save(root, Settings(poll_s=0.2, soak_requests=50, soak_s=2.0, request_timeout_s=2.0))
    install(device, "a", 1)
    order_of(hub, device.slot("a"))
    agent = AgentProcess(root, hub)
    try:
        wait(agent, lambda: len(reports(hub)) == 1)
        assert reports(hub)[0].outcome is Outcome.COMMITTED, reports(hub)[0].reason
        first = agent.record().active
        install(device, "b", 2, fault, request_number)
        order_of(hub, device.slot("b"))
        wait(agent, lambda: len(reports(hub)) == 2)
        second = agent.record().active

        wait(agent, lambda: agent.record().active == first, lambda: status(root))
        wait(agent, lambda: len(reports(hub)) == 3)

        wait(agent, lambda: status(root) == 200)
        code = agent.end(signal.SIGTERM)
    finally:
        agent.process.kill()
        agent.process.wait()
    outcomes = [report.outcome for report in reports(hub)]
    crashes = [record for record in hub.records if isinstance(record, Fault) and record.code == "crashed"]
    assert outcomes == [Outcome.COMMITTED, Outcome.COMMITTED, Outcome.ROLLED_BACK]
    assert reason in reports(hub)[2].reason
    assert all(reason in crash.message for crash in crashes)
    assert crashes
    assert (first != second, code) == (True, 0)
