"""`edgewright-agent` as a person meets it: exit codes, and errors that say what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from scripted_hub import CLAIM, ScriptedHub

from edgewright.agent.cli import main
from edgewright.agent.disk.settings import Settings

COMMAND = (sys.executable, "-m", "edgewright.agent")
IDENTITY = b'{"device":"dev-1","name":"desk","hub":"http://127.0.0.1:9"}'


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    yield hub
    hub.close()


def test_a_used_claim_ends_with_code_4_and_says_so(tmp_path, hub, one_runtime, capsys):
    hub.is_claim_used = True

    code = main(["run", "--dir", str(tmp_path / "agent"), "--hub", hub.url, "--claim", CLAIM])

    assert code == 4
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "error: the claim token was used already",
        "help: Make another.",
    ]


def test_a_hub_that_is_not_there_ends_the_first_start_with_code_3(tmp_path, one_runtime, capsys):
    code = main(["run", "--dir", str(tmp_path), "--hub", "http://127.0.0.1:9", "--claim", "c"])

    assert code == 3
    assert "error: the hub does not answer" in capsys.readouterr().err
    assert not (tmp_path / "identity.json").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "--hub is missing"),
        (("--hub", "http://127.0.0.1:9"), "--claim is missing"),
        (("--hub", "127.0.0.1:9", "--claim", "c"), "not the address of a hub"),
    ],
)
def test_what_is_missing_for_a_first_start_is_named(tmp_path, capsys, arguments, why):
    code = main(["run", "--dir", str(tmp_path), *arguments])

    assert code == 2
    assert why in capsys.readouterr().err


def test_settings_that_make_no_sense_are_refused_before_anything_is_kept(tmp_path, capsys):
    code = main(["run", "--dir", str(tmp_path), "--hub", "http://127.0.0.1:9", "--claim", "c", "--poll-s", "0"])

    assert code == 1
    assert "poll_s" in capsys.readouterr().err
    assert not (tmp_path / "agent.json").exists()


def test_status_of_a_folder_without_an_agent_says_how_to_get_one(tmp_path, capsys):
    code = main(["status", "--dir", str(tmp_path)])

    assert code == 2
    assert "help: Run `edgewright-agent run" in capsys.readouterr().err


@pytest.mark.e2e
def test_an_agent_runs_until_it_is_asked_to_stop_and_keeps_others_out_of_its_folder(tmp_path, hub, capsys):
    folder = tmp_path / "agent"
    run = [*COMMAND, "run", "--dir", str(folder), "--hub", hub.url, "--claim", CLAIM, "--name", "cam", "--poll-s", "60"]
    agent = subprocess.Popen(run, stderr=subprocess.PIPE)
    try:
        for line in agent.stderr:
            assert json.loads(line)["level"] == "info"
            if json.loads(line)["message"] == "order received":
                break

        second = main(["run", "--dir", str(folder)])
        status = main(["status", "--dir", str(folder), "--json"])
        os.kill(agent.pid, signal.SIGTERM)
        code = agent.wait(timeout=10)
    finally:
        agent.kill()
        agent.communicate()

    said = capsys.readouterr()
    assert (code, second, status) == (0, 1, 0)
    assert "another agent runs" in said.err
    assert json.loads(said.out)["name"] == "cam"
    assert msgspec.json.decode((folder / "agent.json").read_bytes(), type=Settings).poll_s == 60.0


def test_who_may_not_read_the_folder_is_told_so_with_code_4(tmp_path, capsys):
    log = tmp_path / "logs" / "agent.log"
    log.parent.mkdir()
    log.touch(mode=0)
    arguments = ["logs", "--dir", str(tmp_path)]
    main(arguments)  # brings all modules in, which another user may not be able to read

    me = os.geteuid()
    os.seteuid(me or 65534)
    try:
        code = main(arguments)
    finally:
        os.seteuid(me)

    assert code == 4
    assert "this user may not use" in capsys.readouterr().err


def test_a_dry_run_of_flush_needs_no_agent_and_says_what_waits(tmp_path, capsys):
    (tmp_path / "identity.json").write_bytes(IDENTITY)

    code = main(["flush", "--dir", str(tmp_path), "--dry-run"])

    assert (code, capsys.readouterr().out) == (0, "the agent would check in now; 0 records wait to be sent\n")


@pytest.mark.parametrize("content", ['{"time_zone":"Mars"}', '{"download_windows":["x"]}'])
def test_windows_that_make_no_sense_are_refused_before_a_reload(tmp_path, capsys, content):
    (tmp_path / "identity.json").write_bytes(IDENTITY)
    (tmp_path / "agent.json").write_text(content)

    code = main(["reload", "--dir", str(tmp_path), "--dry-run"])

    assert code != 0
    assert "error: " in capsys.readouterr().err
