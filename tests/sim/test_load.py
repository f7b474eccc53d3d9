"""Load: simulated devices in real time, at a hub that answers over HTTP."""

from __future__ import annotations

import contextlib
import socket
from threading import Event

import msgspec
import pytest

from e2e.served_hub import served
from edgewright.contract.api import ClaimDraft
from edgewright.hub.app import build_hub
from edgewright.hub.settings import Settings
from edgewright.sim.load.__main__ import main
from edgewright.sim.load.crowd import Crowd, Outcome, Plan
from edgewright.sim.load.road import Tally
from edgewright.sim.load.today import LATE_S, Today
from edgewright.sim.world.hub import lay_out
from edgewright.sim.world.releases import OPERATOR, Made


class Watch(Event):
    """A clock that only waiting moves, and work that is said to take its time."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0

    def wait(self, timeout=None):
        self.now += timeout
        return False


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def today(watch):
    return Today(lambda: watch.now)


def test_each_deed_waits_for_its_moment(today, watch):
    done = []
    for after_s in (7.0, 2.0):
        today.after(after_s, lambda: done.append(watch.now))

    today.run(1010.0, watch)

    assert done == [1002.0, 1007.0]
    assert (today.deeds, today.late, watch.now) == (2, 0, 1010.0)


def test_deeds_that_come_late_are_counted_and_see_the_present(today, watch):
    def long():
        watch.now += 5.0

    seen = []
    today.after(1.0, long)
    today.after(2.0, lambda: seen.append(today.now))
    today.after(5.5 + LATE_S, lambda: seen.append(today.now))

    today.run(1010.0, watch)

    assert seen == [1006.0, 1006.5]
    assert (today.deeds, today.late) == (3, 1)


def test_somebody_may_stop_it(today, watch):
    today.every(1.0, lambda: today.now >= 1003.0 and watch.set())

    today.run(1e9, watch)

    assert watch.now == 1003.0


def test_a_tally_tells_percentiles_by_door():
    tally = Tally()
    for ms in range(1, 101):
        tally.note("checkin", "304", float(ms))

    of = tally.latencies()["checkin"]

    assert (of.count, of.p50_ms, of.p99_ms, of.max_ms) == (100, 50.5, 99.0, 100.0)
    assert tally.answers == {"checkin 304": 100}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--conduct", "digits=crashes"), "--conduct 'digits=crashes' is not MODEL/NUMBER=CONDUCT"),
        (("--conduct", "digits/2=explodes"), "--conduct 'digits/2=explodes' is not MODEL/NUMBER=CONDUCT"),
        (("--facts", "[1]"), "--facts is no JSON object"),
        (("--devices", "0"), "devices, minutes and seconds are more than 0"),
    ],
)
def test_what_it_cannot_play_is_refused_with_the_reason(capsys, words, told):
    assert main(["http://127.0.0.1:1", "--claim", "x", *words]) == 2
    assert f"error: {told}" in capsys.readouterr().err


def test_a_hub_that_is_away_is_told_and_no_error(tmp_path):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        hub = f"http://127.0.0.1:{taken.getsockname()[1]}"
        plan = Plan(hub=hub, claim="x", devices=2, seconds=0.2, arrive_s=0.1)

        outcome = Crowd(plan, tmp_path).run(Event(), lambda _: None)

    assert (outcome.enrolled, outcome.answers) == (0, {"nonce unreachable": 2})


@pytest.fixture
def hub(tmp_path):
    """A hub with a release."""
    lay_out(tmp_path / "hub", (Made("digits", 1),))
    hub = build_hub(Settings(dir=tmp_path / "hub", database_url=""))
    yield hub
    hub.commits.stop()
    hub.db.close()


@pytest.fixture
def address(hub):
    """Where it answers."""
    with served(hub) as address:
        yield address


@pytest.mark.e2e
def test_devices_enrol_and_check_in_as_often_as_they_should(hub, address, capsys):
    claim = hub.fleet.claim(OPERATOR, ClaimDraft(labels={"site": "load"}, uses=5)).tokens[0]
    words = ["--devices", "5", "--minutes", "0.05", "--arrive-s", "0.5", "--poll-s", "1", "--json"]

    assert main([address, "--claim", claim, *words]) == 0

    told = msgspec.json.decode(capsys.readouterr().out, type=Outcome)
    assert (told.devices, told.enrolled, told.troubles) == (5, 5, {})
    assert 10 <= told.answers["checkin 304"] + told.answers["checkin 200"] <= 25
    assert told.latencies["enrol"].count == 5
    assert {device.labels["site"] for device in hub.fleet.devices()} == {"load"}


@pytest.mark.e2e
def test_a_claim_that_is_not_one_of_the_hub_ends_it_with_the_reason(address, capsys):
    assert main([address, "--claim", "nonsense", "--devices", "2", "--minutes", "0.05"]) == 4
    assert "error: this claim token is not one of this hub" in capsys.readouterr().err
