"""Where blobs come from: the hub, or a place that it names, which is trusted for nothing."""

from __future__ import annotations

import contextlib

import pytest
from device import reports, serving_counter
from elsewhere import Elsewhere
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent.install.download import MAX_SPOILT, Downloads, Spoilt
from edgewright.contract.errors import HostileInput, Unreachable


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def place(hub):
    place = Elsewhere(hub.shelf.blobs)
    hub.sends_on_to = place.url
    yield place
    place.close()


@pytest.fixture
def agent(tmp_path, hub):
    return Agent(tmp_path / "agent", hub)


def fetch(agent, sha256: str, offset: int = 0) -> bytes:
    with agent.line.body(sha256, offset) as chunks:
        return b"".join(chunks)


@pytest.mark.parametrize("hops", [0, 1])
def test_a_device_follows_the_hub_s_word_to_where_the_bytes_are(hub, place, agent, hops):
    place.hops = hops
    sha256 = hub.shelf.add(b"some bytes")

    assert fetch(agent, sha256) == b"some bytes"
    assert fetch(agent, sha256, 5) == b"bytes"


def test_the_session_s_token_stays_with_the_hub(hub, place, agent):
    fetch(agent, hub.shelf.add(b"some bytes"))

    assert len(place.requests) == 1
    assert "authorization" not in place.requests[0]


def test_a_device_is_not_sent_round_for_ever(hub, place, agent):
    place.hops = 2

    with pytest.raises(Unreachable, match="more than 2 times"):
        fetch(agent, hub.shelf.add(b"some bytes"))


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/", "http://user:word@127.0.0.1/", "file:///etc/", "http://:0/x"])
def test_a_device_does_not_go_just_anywhere(hub, agent, address):
    hub.sends_on_to = address

    with pytest.raises(HostileInput):
        fetch(agent, hub.shelf.add(b"some bytes"))


def test_wrong_bytes_from_elsewhere_are_made_up_for_by_the_hub_in_the_same_install(hub, place, agent, tmp_path):
    hub.release(1)
    place.blobs = {sha256: b"\0" * len(data) for sha256, data in hub.shelf.blobs.items()}

    agent.work()

    assert serving_counter(tmp_path / "agent") == 1
    assert len(place.requests) == 1  # and then not again for a while


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: b"\0" * (len(data) - 1), lambda data: data * 2]
)
def test_too_little_or_too_much_from_elsewhere_is_made_up_for_by_the_hub(hub, place, agent, tmp_path, change):
    hub.release(1)
    place.blobs = {sha256: change(data) for sha256, data in hub.shelf.blobs.items()}

    agent.work()

    assert serving_counter(tmp_path / "agent") == 1
    assert len(place.requests) == 1


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_place_that_refuses_is_gone_round(hub, place, agent, tmp_path, status):
    hub.release(1)
    place.status = status

    agent.work(60.0)

    assert serving_counter(tmp_path / "agent") == 1
    assert len(place.requests) == 1


def test_many_blobs_come_over_one_connection(hub, agent):
    before = hub.connections
    blobs = {hub.shelf.add(b"%d" % number): b"%d" % number for number in range(50)}

    for sha256, data in blobs.items():
        assert fetch(agent, sha256) == data

    assert hub.connections - before <= 2  # one for the session, one for blobs


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(hub, agent):
    fetch(agent, hub.shelf.add(b"first"))
    for connection in agent.line._streams._connections.values():
        connection.sock.close()

    assert fetch(agent, hub.shelf.add(b"second")) == b"second"


def test_what_is_left_of_a_broken_off_answer_is_not_the_next_one(hub, agent):
    large, small = hub.shelf.add(b"x" * 500_000), hub.shelf.add(b"small")
    with agent.line.body(large, 0) as chunks:
        next(chunks)

    assert fetch(agent, small) == b"small"


def test_no_byte_beyond_the_declared_length_is_kept(hub, agent, tmp_path):
    sha256 = hub.shelf.add(b"x" * 500_000)
    downloads = Downloads(tmp_path / "staging", agent.line, lambda: False)

    for _ in range(MAX_SPOILT):
        with contextlib.suppress(Spoilt):
            downloads.bring(sha256, 1000)
    with pytest.raises(HostileInput, match="longer than 1000"):
        downloads.bring(sha256, 1000)

    assert list((tmp_path / "staging").iterdir()) == []


def test_the_install_s_report_counts_what_crossed_the_line(hub, place, agent, tmp_path):
    hub.release(1)

    agent.work(5.0)

    report = reports(tmp_path / "agent") or [record for record in hub.records if hasattr(record, "received_bytes")]
    assert report[0].received_bytes == report[0].full_bytes
