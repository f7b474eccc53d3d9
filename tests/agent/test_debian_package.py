"""The .deb: the same bytes twice, nothing in it that a device does not need, and an agent that runs from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted_hub import CLAIM, ScriptedHub
from test_agent_process import order_of

from edgewright.contract.report import InstallReport

REPOSITORY = Path(__file__).parents[2]
UNIT = REPOSITORY / "packaging/tree/usr/lib/systemd/system/edgewright-agent.service"
MAX_INSTALLED_BYTES = 180_000_000
PATIENCE_S = 90.0


def run(*command: object, **options: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """What is committed, which stands still."""
    folder = tmp_path_factory.mktemp("sources")
    archive = subprocess.run(["git", "-C", REPOSITORY, "archive", "HEAD"], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder


def build(sources: Path, out: Path) -> Path:
    variables = {**os.environ, "PYTHON": sys.executable, "SOURCE_DATE_EPOCH": "1767225600", "LEVEL": "0"}
    return Path(run(sources / "packaging/build-deb.sh", out, env=variables).strip())


@pytest.fixture(scope="module")
def package(sources, tmp_path_factory) -> Path:
    if not shutil.which("dpkg-deb"):
        pytest.skip("no dpkg-deb here")
    return build(sources, tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def installed(package, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "-x", package, root)
    return root


@pytest.mark.e2e
def test_the_same_sources_make_the_same_bytes(sources, package, tmp_path):
    assert build(sources, tmp_path).read_bytes() == package.read_bytes()


@pytest.mark.e2e
def test_it_holds_what_a_device_needs_and_nothing_else(package, installed):
    listed = run("dpkg-deb", "-c", package)
    names = {path.name for path in (installed / "usr/lib/edgewright-agent").iterdir()}

    assert all(" root/root " in line for line in listed.splitlines())
    for path in (
        "usr/bin/edgewright-agent",
        "etc/default/edgewright-agent",
        "usr/lib/sysusers.d/edgewright-agent.conf",
    ):
        assert f"./{path}\n" in listed
    assert names.isdisjoint({"typer", "rich", "httpx", "pydantic", "sqlalchemy", "urllib3", "pip"})
    assert not (installed / "usr/lib/edgewright-agent/edgewright/hub").exists()
    size_bytes = sum(path.lstat().st_size for path in installed.rglob("*") if path.is_file())
    assert size_bytes < MAX_INSTALLED_BYTES
    assert "/etc/default/edgewright-agent" in run("dpkg-deb", "-I", package, "conffiles")


@pytest.mark.e2e
def test_an_agent_from_the_package_installs_and_infers(installed, tmp_path, device, good):
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    order_of(hub, device.pack("a", good))
    root = tmp_path / "device"
    command = installed / "usr/bin/edgewright-agent"
    system = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    variables = {"PATH": os.environ["PATH"], "EDGEWRIGHT_AGENT_DIR": str(root)}
    variables["EDGEWRIGHT_PYTHON"] = str(system if system.exists() else sys.executable)
    facts = json.loads(run(command, "version", "--json", env=variables))

    options = ["--hub", hub.url, "--claim", CLAIM, "--poll-s", "1"]
    process = subprocess.Popen([command, "run", *options], env=variables, stderr=subprocess.DEVNULL)
    try:
        ends_at = time.monotonic() + PATIENCE_S
        while not any(isinstance(one, InstallReport) for one in hub.records) and time.monotonic() < ends_at:
            time.sleep(0.1)
        run(command, "models", "load", "digits", env=variables)
        while (status := json.loads(run(command, "status", "--json", env=variables)))["agent"]["workers"][0][
            "phase"
        ] != "ready":
            assert time.monotonic() < ends_at
        findings = json.loads(run(command, "doctor", "--json", env=variables))
        process.terminate()
        code = process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()
        hub.close()

    assert facts["version"]
    assert (status["models"][0]["counter"], status["agent"]["pid"]) == (10, process.pid)
    assert not [finding for finding in findings if finding["verdict"] == "bad"]
    assert code == 0


@pytest.mark.e2e
def test_lintian_finds_no_error(package):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed (debian-packages.txt)")

    done = subprocess.run(["lintian", "--fail-on", "error", package], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_unit_passes_systemd_s_own_check(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/edgewright-agent", "/bin/true"))

    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)

    complaints = [line for line in done.stderr.splitlines() if UNIT.stem in line]
    assert (done.returncode, complaints) == (0, [])


def test_the_unit_is_hardened():
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")

    told = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)

    score = float(told.split("Overall exposure level for")[1].split(":")[1].split()[0])
    assert score <= 2.0
