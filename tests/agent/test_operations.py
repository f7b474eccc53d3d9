"""An agent in service, and what a person at the device does with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_hub import CLAIM, ScriptedHub
from test_agent_process import order_of
from test_bundle import write_bundle

from edgewright.contract.report import InstallReport, Outcome

pytestmark = pytest.mark.e2e
PATIENCE_S = 60.0


class Service:
    """A device whose agent runs; `do` types a command there."""

    def __init__(self, root: Path, hub: ScriptedHub) -> None:
        self.root = root
        command = [sys.executable, "-m", "edgewright.agent", "run", "--dir", str(root), "--hub", hub.url]
        self.process = subprocess.Popen(
            [*command, "--claim", CLAIM, "--poll-s", "1"], stderr=(root.parent / "agent.err").open("wb")
        )

    def do(self, *words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "edgewright.agent", *words, "--dir", str(self.root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout or done.stderr

    def ask(self, *words: str) -> dict:
        return json.loads(self.do(*words, "--json"))

    def release(self) -> int:
        models = self.ask("status")["models"] if (self.root / "identity.json").exists() else []
        return models[0]["counter"] if models and models[0]["step"] == "idle" else 0

    def close(self) -> None:
        self.process.terminate()
        try:
            assert self.process.wait(timeout=20) == 0
        finally:
            self.process.kill()
            self.process.wait()


def wait_until(is_so: Callable[[], object]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends_at, "it never came to that"
        time.sleep(0.1)


def rolled_back(hub: ScriptedHub) -> list[InstallReport]:
    reports = [record for record in hub.records if isinstance(record, InstallReport)]
    return [report for report in reports if report.outcome is Outcome.ROLLED_BACK]


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    yield hub
    hub.close()


@pytest.fixture
def service(tmp_path, hub, device, good):
    """Release 20 serves, release 10 is in the spare slot."""
    order_of(hub, device.pack("a", good, version=1))
    service = Service(tmp_path / "device", hub)
    try:
        wait_until(lambda: service.release() == 10)
        order_of(hub, device.pack("b", good, version=2, counter=20))
        wait_until(lambda: service.release() == 20)
        yield service
    finally:
        service.close()


def test_a_person_looks_goes_back_and_changes_settings(service, hub):
    status = service.ask("status")
    assert status["agent"]["pid"] == service.process.pid
    assert status["agent"]["contacted_at"] > 0
    assert (status["models"][0]["counter"], status["models"][0]["spare_counter"]) == (20, 10)
    assert "release 20" in service.do("status")
    (facts,) = service.ask("models")
    assert (facts["contract"], facts["runtime"]) == (1, "onnxruntime")

    assert "would go back from release 20 to release 10" in service.do("rollback", "--dry-run")
    assert service.release() == 20
    assert "goes back" in service.do("rollback", "digits", "--reason", "it sees ghosts")
    wait_until(lambda: service.release() == 10)
    wait_until(lambda: rolled_back(hub))
    assert [(one.counter, "ghosts" in one.reason) for one in rolled_back(hub)] == [(20, True)]
    assert "nothing in the spare slot" in service.do("rollback", code=1)

    service.do("models", "load", "digits")
    wait_until(lambda: service.ask("status")["agent"]["workers"][0]["phase"] == "ready")
    service.do("models", "unload", "digits")
    wait_until(lambda: service.ask("status")["agent"]["workers"][0]["phase"] == "idle")

    settings = json.loads((service.root / "agent.json").read_text())
    (service.root / "agent.json").write_text(json.dumps({**settings, "idle_unload_s": -1}))
    assert "idle_unload_s" in service.do("reload", code=1)
    (service.root / "agent.json").write_text(json.dumps({**settings, "idle_unload_s": 7}))
    started_at = service.ask("status")["agent"]["started_at"]
    assert service.ask("reload") == {"changed": ["idle_unload_s"]}
    wait_until(lambda: (service.ask("status")["agent"] or {}).get("started_at", 0) > started_at)
    assert service.ask("status")["agent"]["pid"] == service.process.pid
    assert service.ask("reload") == {"changed": []}
    assert "backlog" in service.ask("flush")
    assert "agent started" in service.do("logs", "-n", "500")


def test_a_stick_is_imported_while_the_agent_serves(service, hub, device, good, tmp_path):
    order_of(hub, device.pack("a", good, version=3, counter=30))
    identity = json.loads((service.root / "identity.json").read_text())
    hub.is_away = True
    hub.now = time.time()
    stick = write_bundle(tmp_path / "stick", hub, device=identity["device"], installs=hub.installs)
    assert identity["device"] == "dev1"

    (foreseen,) = json.loads(service.do("bundle", "import", str(stick), "--dry-run", "--json"))
    (ending,) = json.loads(service.do("bundle", "import", str(stick), "--json"))

    assert (foreseen["would"], foreseen["counter"]) == ("install", 30)
    assert (ending["outcome"], ending["counter"]) == ("committed", 30)
    assert service.release() == 30
    assert service.process.poll() is None
    shutil.rmtree(stick)
    assert "no bundle" in service.do("bundle", "import", str(stick), code=2)
