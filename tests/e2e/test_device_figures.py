"""A release measured by a real agent, asked by the command line through a real hub; nothing is installed by it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from scenes.desk import Desk, until
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


def test_a_device_measures_a_release_and_the_hub_believes_its_figures(desk, tmp_path):
    release = publish(desk, register(desk, "digits"))
    (token,) = desk.done("device", "claim")["tokens"]
    desk.agent("lane-3", token)
    until(lambda: any(one["last_seen_at"] for one in desk.done("device", "ls")), "the device has checked in")

    rehearsed = desk.done("bench", "start", release, "--dry-run")
    started = desk.done("bench", "start", release, "--calls", "200")
    watched = desk.run("bench", "watch", started["id"], "--json")
    shown = desk.run("bench", "show", started["id"])

    assert [one["device_name"] for one in rehearsed["measurements"]] == ["lane-3"]
    assert watched.code == 0, watched.out
    (measured,) = json.loads(watched.out.splitlines()[-1])["measurements"]
    assert (measured["state"], measured["calls"]) == ("done", 200)
    assert 0 < measured["latency_p50_ms"] <= measured["latency_p95_ms"] <= measured["latency_p99_ms"]
    assert measured["memory_bytes"] > 20 * 2**20
    assert max(map(len, shown.out.splitlines())) <= 80
    assert desk.done("device", "show", measured["device"])["models"] == []
    assert not (tmp_path / "lane-3" / "models").exists()
    assert [one["action"] for one in desk.done("audit", "ls")].count("bench.started") == 1
    (study,) = desk.done("optimize", "ls", "digits@1")
    (trial,) = [one for one in study["trials"] if one["id"] == study["chosen"]]
    assert trial["figures"]["timing"]["place"] == "device"
    assert trial["figures"]["timing"]["where"] == f"lane-3 (cpu-fp32), {measured['runtime']}"
    assert trial["figures"]["timing"]["p95_ms"] == measured["latency_p95_ms"]
    assert trial["figures"]["memory"]["peak_bytes"] == measured["memory_bytes"]


def test_a_device_that_is_away_is_waited_for_until_somebody_cancels(desk, tmp_path):
    release = publish(desk, register(desk, "digits"))
    (token,) = desk.done("device", "claim")["tokens"]
    agent = desk.agent("lane-3", token)
    until(lambda: any(one["last_seen_at"] for one in desk.done("device", "ls")), "the device has checked in")
    agent.terminate()
    agent.communicate()
    id = desk.done("bench", "start", release)["id"]

    waiting = desk.done("bench", "show", id)
    cancelled = desk.done("bench", "cancel", id)
    watched = desk.run("bench", "watch", id)

    assert waiting["measurements"][0]["state"] == "pending"
    assert cancelled["measurements"][0]["state"] == "cancelled"
    assert (watched.code, desk.run("bench", "show", "bench-9").code) == (1, 2)
