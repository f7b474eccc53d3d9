"""What a person reads of a device, in 80 columns."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent.cli import main
from edgewright.agent.link import TurnedAway
from edgewright.agent.status import LiveState, WorkerFacts, amount, read_status, span, to_text
from edgewright.agent.system.runtimes import find_runtimes


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def root(tmp_path):
    """A device with two releases, whose agent does not run."""
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    agent = Agent(tmp_path / "agent", hub)
    for counter in (1, 2):
        hub.release(counter)
        agent.work(60.0)
    hub.close()
    return agent.root


def test_a_stopped_device_tells_of_models_disk_spool_and_clock(root):
    status = read_status(root)

    (model,) = status.models
    assert (model.counter, model.spare_counter, model.last_outcome) == (2, 1, "committed")
    assert (status.agent, status.agent_note) == (None, "no agent runs")
    assert status.disk is not None
    assert status.disk.models_bytes > 0
    assert status.clock is not None
    assert status.clock.last_signed > 0
    assert "onnxruntime" in status.runtimes


def test_runtimes_are_told_as_the_agent_found_them(root):
    found = find_runtimes(root)

    assert read_status(root).runtimes == {name: one.version for name, one in found.items()}


def test_the_text_fits_and_tells_how_far_a_download_is(root):
    worker = WorkerFacts(model="digits", phase="ready", pid=9, rss_bytes=74_000_000, requests=12, is_standing_in=True)
    live = LiveState(
        pid=7,
        agent_version="0.1.0",
        started_at=1000.0,
        rss_bytes=28_000_000,
        contacted_at=4000.0,
        next_check_in_s=25.0,
        budget_bytes=1_000_000,
        used_bytes=1200,
        waits=("downloads wait for their window, 900 s more",),
        turned_away=TurnedAway.WORDS["device_quarantined"],
        measures="digits/3 (bench-1-1)",
        workers=(worker,),
    )
    status = read_status(root)
    coming = {"candidate_version": 3, "candidate_counter": 3, "received_bytes": 1_500_000, "full_bytes": 4_000_000}
    model = msgspec.structs.replace(status.models[0], step="fetch", interruptions=2, crashes=1, **coming)

    text = to_text(msgspec.structs.replace(status, agent=live, models=(model,)), 8200.0)

    assert "release 3, step fetch, 1.5 MB of at most 4 MB, interrupted 2 times" in text
    assert "the spare stands in" in text
    assert "hub answered 70 min ago, next check-in in 25 s, 1.2 kB of 1 MB used today" in text
    assert "downloads wait for their window" in text
    assert "refused   in quarantine" in text
    assert "digits/3 (bench-1-1)" in text
    assert [line for line in text.splitlines() if len(line) > 80 and "hub " not in line] == []


def test_models_and_rollback_say_what_there_is_without_an_agent(root, capsys):
    assert main(["models", "--dir", str(root), "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert (facts["model"], facts["counter"]) == ("digits", 2)
    assert main(["rollback", "--dir", str(root), "--dry-run"]) == 0
    assert capsys.readouterr().out == "digits would go back from release 2 to release 1\n"
    assert main(["rollback", "--dir", str(root)]) == 3
    assert "help: Start it" in capsys.readouterr().err
    assert main(["rollback", "nothing", "--dir", str(root)]) == 2
    assert "help: There are: digits." in capsys.readouterr().err
    assert main(["models", "priority", "digits", "5", "--dir", str(root)]) == 0
    assert main(["models", "--dir", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])[0]["priority"] == 5
    assert main(["models", "forget", "nobody", "--dir", str(root)]) == 2


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(0, "0 B"), (999, "999 B"), (1234, "1.23 kB"), (64e6, "64 MB"), (5e13, "50 TB")]
)
def test_amounts_are_read_at_a_glance(size_bytes, text):
    assert amount(size_bytes) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0 s"), (90, "90 s"), (300, "5 min"), (9000, "2 h"), (1e6, "12 d")])
def test_spans_are_read_at_a_glance(seconds, text):
    assert span(seconds) == text
