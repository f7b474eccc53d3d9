"""Keys change while a real agent sleeps: it wakes, follows the chain, and installs what new keys have signed."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenes.desk import PATIENCE_S, POLL_S, Desk, until
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


def test_an_agent_that_slept_through_every_change_of_keys_installs_the_next_release(desk):
    version = register(desk, "digits")
    first = publish(desk, version)
    desk.done("group", "create", "all", "--selector", "all")
    agent = desk.agent("lane-1", desk.done("device", "claim")["tokens"][0])
    until(lambda: len(desk.done("device", "ls")) == 1, "the device is enrolled")
    roll_out(desk, first)
    put_to_sleep(agent)

    for what in ("root-2", "targets", "release-1", "online", "root-3"):
        assert desk.done("keys", "rotate", what, "--yes")["state"] == "published"
    second = desk.done("release", "build", version)["id"]
    desk.done("release", "sign", second)
    desk.done("release", "approve", second, user="ben")
    wake(desk)

    roll_out(desk, second)
    (device,) = desk.done("device", "ls")
    assert [state["counter"] for state in device["models"]] == [2]
    kept = json.loads((desk.home / "lane-1" / "tuf" / "root.json").read_text())
    assert kept["signed"]["version"] == 5  # one, and four that name other keys; the release key is not in the root
    assert desk.run("release", "verify", second).code == 0
    assert desk.run("audit", "verify").code == 0


def test_a_hub_whose_online_keys_are_gone_starts_and_waits_for_a_root_that_names_new_ones(desk):
    version = register(desk, "digits")
    first = publish(desk, version)
    desk.done("group", "create", "all", "--selector", "all")
    desk.agent("lane-1", desk.done("device", "claim")["tokens"][0])
    until(lambda: len(desk.done("device", "ls")) == 1, "the device is enrolled")
    desk.stop_hub()
    for path in (desk.home / "hub" / "keys").iterdir():
        path.unlink()

    desk.start_hub()
    told = desk.run("keys", "ls")
    desk.done("keys", "rotate", "online", "--yes")

    assert "WARNING: timestamp: this hub's key is not in the root" in told.err
    assert "WARNING" not in desk.run("keys", "ls").err
    roll_out(desk, first)


def roll_out(desk: Desk, release: str) -> None:
    rollout = desk.done("rollout", "start", release, "--group", "all", "--waves", "1", "--shadow-requests", "0")["id"]
    watched = desk.run("rollout", "watch", rollout)
    assert watched.code == 0, watched.err


def put_to_sleep(agent: subprocess.Popen[str]) -> None:
    agent.send_signal(signal.SIGTERM)
    agent.communicate(timeout=PATIENCE_S)


def wake(desk: Desk) -> None:
    """The same device, without a claim: it is known."""
    folder: Path = desk.home / "lane-1"
    words = ["run", "--dir", str(folder), "--hub", desk.url, "--poll-s", str(POLL_S)]
    desk.agents.append(desk._start("edgewright.agent", words))
