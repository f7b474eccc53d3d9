"""A real hub tells a real Alertmanager, and what it shows Prometheus passes Prometheus' own checks."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from edgewright.client.credentials import current
from scenes.desk import Desk, until
from scenes.listening import http_listener

pytestmark = pytest.mark.e2e

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@pytest.fixture
def desk(tmp_path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    try:
        desk.start_hub()
        yield desk
    finally:
        desk.close()


@pytest.fixture
def alertmanager(tmp_path) -> Iterator[str]:
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("Debian's prometheus-alertmanager is not installed")
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    (folder / "config.yml").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [f"--config.file={folder / 'config.yml'}", f"--storage.path={folder}", f"--web.listen-address={address}"]
    process = subprocess.Popen(
        [program, *words, "--cluster.listen-address="], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: _answers(f"http://{address}/-/ready"), "Alertmanager is ready")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_an_alertmanager_takes_what_the_hub_tells(desk, alertmanager):
    desk.done("alert", "route", "set", "am", "--alertmanager", alertmanager, "--severity", "warning")

    told = desk.done("alert", "route", "test", "am")

    (alert,) = httpx.get(f"{alertmanager}/api/v2/alerts").json()
    assert told["problem"] == ""
    assert alert["labels"]["alertname"] == "EdgewrightDataDrift"
    assert alert["labels"]["model"] == "example"
    assert alert["status"]["state"] == "active"
    assert "nothing is wrong" in alert["annotations"]["summary"]


def test_routes_by_the_command_line_show_no_secret_and_say_why_they_fail(desk):
    with http_listener() as listener:
        listener.answers.append(418)
        made = desk.done("alert", "route", "set", "team", "--webhook", f"{listener.url}/hook", "--kind", "bias")
        failed = desk.run("alert", "route", "test", "team")
        fine = desk.run("alert", "route", "test", "team")
    listed = desk.run("alert", "route", "ls")
    gone = desk.done("alert", "route", "rm", "team")

    assert made["new_secret"].startswith("whsec_")
    assert failed.code == 1
    assert "answered 418" in failed.out + failed.err
    assert fine.code == 0
    assert "bias" in listed.out
    assert made["new_secret"] not in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    assert gone["name"] == "team"
    assert desk.done("alert", "route", "ls") == []
    assert desk.done("alert", "ls") == []


def test_what_prometheus_is_shown_passes_its_own_checks(desk, tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("Debian's prometheus is not installed")
    rules = tmp_path / "rules.yml"
    rules.write_text(desk.run("hub", "alert-rules").out)

    refused = httpx.get(f"{desk.url}/metrics")
    shown = httpx.get(f"{desk.url}/metrics", headers={"authorization": f"Bearer {_token(desk)}"})
    checked = subprocess.run([promtool, "check", "metrics"], input=shown.content, capture_output=True, timeout=60)
    ruled = subprocess.run([promtool, "check", "rules", str(rules)], capture_output=True, timeout=60)

    assert refused.status_code == 401
    assert 'edgewright_rollouts{state="halted"} 0.0' in shown.text
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert ruled.returncode == 0, ruled.stderr
    named = set(re.findall(r"edgewright_[a-z_]+", rules.read_text()))
    told = set(re.findall(r"^# TYPE (\w+)", shown.text, re.MULTILINE))
    assert named <= told


def _token(desk: Desk) -> str:
    """As a person hands it to Prometheus."""
    return current({"XDG_CONFIG_HOME": str(desk.home / "config")}).token


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False
