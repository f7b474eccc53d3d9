"""Each thing is broken for real, and the cure is named."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent import states
from edgewright.agent.cli import main
from edgewright.agent.disk import Settings, load_identity, save_identity, settings
from edgewright.agent.doctor import Case, Finding, Verdict, examine
from edgewright.agent.doctor.checks import clock, folder, identity, metadata, models, processes, spool
from edgewright.agent.doctor.checks import hub as hub_checks
from edgewright.agent.doctor.checks import runtimes as runtime_checks
from edgewright.agent.states import CrashNote, Instant, ModelRecord

AT = Instant(at=0.0, boot="b", uptime_s=1.0)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    yield hub
    hub.close()


@pytest.fixture
def root(tmp_path, hub) -> Path:
    """A device that has two releases, and is well."""
    agent = Agent(tmp_path / "agent", hub)
    for counter in (1, 2):
        hub.release(counter)
        agent.work(60.0)
    return agent.root


def case_of(root: Path, kept: Settings | None = None) -> Case:
    return Case(root, kept or settings.load(root), load_identity(root), os.environ, time.time, time.monotonic)


def only(found: object, verdict: Verdict) -> Finding:
    findings = list(found)
    (finding,) = [one for one in findings if one.verdict is verdict] or findings
    assert finding.verdict is verdict, findings
    return finding


def record_of(root: Path) -> ModelRecord:
    return states.decode((root / "models" / "digits" / "state.json").read_bytes())


def save_record(root: Path, **changes) -> None:
    data = states.encode(msgspec.structs.replace(record_of(root), **changes))
    for name in ("state.json", "state.json.bak"):
        (root / "models" / "digits" / name).write_bytes(data)


def refuse(number: int) -> Callable:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


def test_a_healthy_device_has_nothing_bad(root):
    found = list(examine(root, os.environ))

    assert [one for one in found if one.verdict is Verdict.BAD] == []
    assert {one.name for one in found} >= {
        "folder",
        "file system",
        "disk",
        "identity",
        "key",
        "records",
        "files",
        "hub",
    }
    assert all(one.help for one in found if one.verdict is not Verdict.OK)


def test_the_command_ends_with_code_1_where_something_is_bad(root, one_runtime, capsys):
    (root / "device.key").chmod(0o644)

    code = main(["doctor", "--dir", str(root), "--offline", "--json"])

    assert code == 1
    (finding,) = [one for one in json.loads(capsys.readouterr().out) if one["verdict"] == "bad"]
    assert finding["help"].startswith(f"chmod 600 {root / 'device.key'}")


def test_a_folder_that_everybody_may_write_to(root):
    root.chmod(0o777)

    assert "chmod o-w" in only(folder.permissions(case_of(root)), Verdict.BAD).help


@pytest.mark.parametrize(
    ("call", "number", "verdict", "cure"),
    [
        ("os.link", 1, Verdict.WARN, "ext4"),
        ("os.open", 30, Verdict.BAD, "remount"),
        ("os.write", 28, Verdict.BAD, "Make room"),
        ("os.fsync", 5, Verdict.BAD, "dmesg"),
    ],
)
def test_a_file_system_that_cannot_do_all(root, monkeypatch, call, number, verdict, cure):
    case = case_of(root)
    monkeypatch.setattr(call, refuse(number))

    assert cure in only(folder.file_system(case), verdict).help
    assert not list(root.glob(".doctor*"))


def test_a_disk_that_is_nearly_full(root, monkeypatch):
    usage = shutil.disk_usage(root)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=5_000_000))

    assert "Make room" in only(folder.space(case_of(root)), Verdict.BAD).help


def test_a_device_that_is_not_enrolled(tmp_path, one_runtime):
    found = list(examine(tmp_path, os.environ, is_offline=True))

    assert "--claim" in next(one.help for one in found if one.name == "identity")


@pytest.mark.parametrize(("name", "cure"), [("agent.json", "Mend"), ("identity.json", "Enrol anew")])
def test_a_damaged_file_of_words(root, one_runtime, name, cure):
    for path in (root / name, root / f"{name}.bak"):
        path.write_bytes(b"{")

    found = list(examine(root, os.environ, is_offline=True))

    assert any(cure in one.help for one in found if one.verdict is Verdict.BAD)


@pytest.mark.parametrize("damage", ["gone", "garbage"])
def test_a_key_that_is_gone_or_no_key(root, damage):
    for path in (root / "device.key", root / "device.key.bak"):
        path.write_bytes(b"no key")
        if damage == "gone":
            path.unlink()

    assert "enrol anew" in only(identity.key(case_of(root)), Verdict.BAD).help


def test_a_token_that_is_gone(root):
    kept = Settings(key="pkcs11:token=edge?module-path=/nowhere/libtpm2_pkcs11.so")
    case = dataclasses.replace(case_of(root, kept), environment={"EDGEWRIGHT_PKCS11_PIN": "1234"})

    finding = only(identity.key(case), Verdict.BAD)

    assert "plugged in" in finding.help
    assert "--module /nowhere/libtpm2_pkcs11.so" in finding.help


def test_a_token_without_its_pin(root):
    case = case_of(root, Settings(key="pkcs11:token=edge?module-path=/nowhere/lib.so"))

    assert "EDGEWRIGHT_PKCS11_PIN" in only(identity.key(case), Verdict.BAD).help


def test_one_damaged_record_is_a_warning_and_two_are_bad(root):
    copies = [root / "models" / "digits" / name for name in ("state.json", "state.json.bak")]
    copies[0].write_bytes(b"torn")

    assert "next start" in only(models.records(case_of(root)), Verdict.WARN).help
    copies[1].write_bytes(b"torn")
    assert "storage" in only(models.records(case_of(root)), Verdict.BAD).help


def test_a_rotten_file_in_a_slot(root):
    active = record_of(root).active
    slots = {slot: root / "models" / "digits" / slot for slot in ("a", "b")}

    def rot(slot: str) -> None:
        path = max(slots[slot].iterdir(), key=lambda path: (path.name != "manifest.json", path.stat().st_size))
        path.unlink()
        path.write_bytes(b"rot")

    rot(states.other(active))
    assert "gone back to" in only(models.files(case_of(root)), Verdict.WARN).help
    rot(active)
    assert "Restart the agent" in only(models.files(case_of(root)), Verdict.BAD).help


def test_crashes_and_rejected_releases(root):
    save_record(root, crashes=(CrashNote(when=AT, reason="SIGSEGV"),), rejected={"0" * 64: "golden test failed"})
    warned = [one for one in models.troubles(case_of(root)) if one.verdict is Verdict.WARN]
    assert ["SIGSEGV" in warned[0].what, "golden" in warned[1].what] == [True, True]
    assert all("logs --model digits" in one.help for one in warned)

    save_record(root, stays="0" * 64)
    assert "Release a version" in only(models.troubles(case_of(root)), Verdict.BAD).help


def test_damaged_floors(root):
    (root / "floors.json").write_bytes(b"torn")
    assert "next start" in only(metadata.floors(case_of(root)), Verdict.WARN).help

    (root / "floors.json.bak").write_bytes(b"torn")
    assert "tuf/" in only(metadata.floors(case_of(root)), Verdict.BAD).help


def test_a_root_that_ends(root):
    expires = json.loads((root / "tuf" / "root.json").read_bytes())["signed"]["expires"]
    ends = datetime.fromisoformat(expires).astimezone(UTC).timestamp()
    soon = dataclasses.replace(case_of(root), clock=lambda: ends - 86_400.0)
    over = dataclasses.replace(case_of(root), clock=lambda: ends + 1.0)

    assert "sign anew" in only(metadata.expiry(soon), Verdict.WARN).help
    assert "sign anew" in only(metadata.expiry(over), Verdict.BAD).help


def test_a_spool_that_is_full_or_damaged(root):
    (root / "spool" / "app.00000001.log").write_bytes(b"torn" * 100)

    assert "sends when it" in only(spool.fill(case_of(root, Settings(spool_max_bytes=400))), Verdict.BAD).help
    assert "torn end" in only(spool.damage(case_of(root)), Verdict.WARN).help


def test_a_folder_that_another_process_holds(root):
    fd = os.open(root / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)

    finding = only(processes.agent(case_of(root)), Verdict.BAD)

    os.close(fd)
    assert f"kill {os.getpid()}" in finding.help
    assert only(processes.agent(case_of(root)), Verdict.WARN).help == "systemctl start edgewright-agent"


def test_a_socket_that_is_open_to_all(root):
    path = root / "run" / "agent.sock"
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)

        assert only(processes.sockets(case_of(root)), Verdict.BAD).help == f"chmod 600 {path}"


def test_a_runtime_that_a_model_needs_and_that_is_not_there(root, monkeypatch):
    monkeypatch.setattr("edgewright.agent.doctor.checks.runtimes._needed", lambda _: {"absent": "digits"})
    monkeypatch.setattr("edgewright.plugins.names", lambda _: [])

    found = list(runtime_checks.installed(case_of(root)))

    assert "pip install 'edgewright[absent]'" in found[0].help


def test_a_clock_that_is_behind_what_was_signed(root):
    behind = dataclasses.replace(case_of(root), clock=lambda: 0.0)

    assert "timedatectl" in only(clock.against_the_hub(behind), Verdict.WARN).help


def move_hub(root: Path, url: str) -> None:
    known = load_identity(root)
    assert known is not None
    save_identity(root, msgspec.structs.replace(known, hub=url))


@pytest.mark.parametrize(("url", "cure"), [("http://hub.invalid", "resolv.conf"), ("http://127.0.0.1:9", "firewall")])
def test_a_hub_that_cannot_be_reached(root, url, cure):
    move_hub(root, url)

    assert cure in only(hub_checks.steps(case_of(root)), Verdict.BAD).help


def test_tls_where_there_is_none(root, hub):
    move_hub(root, hub.url.replace("http:", "https:"))

    assert "https" in only(hub_checks.steps(case_of(root)), Verdict.BAD).help


@pytest.mark.parametrize(
    ("status", "body", "cure"),
    [
        (200, b"<html>Welcome! Log in.</html>", "captive portal"),
        (302, b"", "captive portal"),
        (404, b"nothing here", "--hub URL"),
    ],
)
def test_somebody_else_in_the_hub_s_place(root, status, body, cure):
    class Portal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        move_hub(root, f"http://127.0.0.1:{server.server_address[1]}")
        finding = only(hub_checks.steps(case_of(root)), Verdict.BAD)
        server.shutdown()

    assert cure in finding.help


def test_a_hub_that_does_not_know_the_device(root, hub):
    hub.is_revoked = True

    assert "revoked" in only(hub_checks.steps(case_of(root)), Verdict.BAD).help
