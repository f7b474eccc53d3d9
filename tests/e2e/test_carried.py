"""A release on a stick: exported from a real hub by the command line, imported by a real agent with the hub down."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scenes.desk import Desk
from scenes.publishing import publish, register

pytestmark = pytest.mark.e2e


@pytest.fixture
def desk(tmp_path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    try:
        desk.start_hub()
        yield desk
    finally:
        desk.close()


def agent(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgewright.agent", *words], capture_output=True, text=True, timeout=120
    )


def enrol(desk: Desk, folder: str) -> str:
    """An enrolled device whose agent does not run; its id."""
    token = desk.done("device", "claim", "--label", "site=berlin")["tokens"][0]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgewright.agent", "run", "--dir", folder, "--hub", desk.url, "--claim", token],
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if "order received" in line:
            break
    process.terminate()
    process.communicate()
    return json.loads(agent("status", "--dir", folder, "--json").stdout)["device"]


def test_a_release_reaches_a_device_without_any_network(desk, tmp_path):
    release = publish(desk, register(desk, "digits"))
    device, stick = str(tmp_path / "device"), str(tmp_path / "stick")
    id = enrol(desk, device)
    rehearsed = desk.done("bundle", "export", release, stick, "--device", id, "--dry-run")
    assert not (tmp_path / "stick").exists()

    told = desk.done("bundle", "export", release, stick, "--device", id)
    desk.stop_hub()
    first, second = (agent("bundle", "import", stick, "--dir", device, "--json") for _ in range(2))

    assert told["devices"] == rehearsed["devices"] == [id]
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert json.loads(first.stdout)[0]["outcome"] == "committed"
    assert json.loads(second.stdout)[0]["outcome"] == ""
    status = json.loads(agent("status", "--dir", device, "--json").stdout)
    assert [(model["model"], model["counter"]) for model in status["models"]] == [("digits", 1)]


def test_what_a_bundle_cannot_do_is_said_plainly(desk, tmp_path):
    release = publish(desk, register(desk, "digits"))
    stick = str(tmp_path / "stick")

    nobody = desk.run("bundle", "export", release, stick, "--json")
    unknown = desk.run("bundle", "export", release, stick, "--device", "d-00000000")
    nothing = agent("bundle", "import", stick, "--dir", str(tmp_path))

    assert (nobody.code, unknown.code, nothing.returncode) == (1, 2, 2)
    assert "no device gets anything" in json.loads(nobody.out)["error"]["message"]
    assert "d-00000000" in unknown.err
    assert "no bundle" in nothing.stderr
