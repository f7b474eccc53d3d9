"""Attacks through what a hub publishes: software nobody signed, old states, frozen ones, mixed ones, far-off ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from device import serving_counter
from tuf.api.metadata import MetaFile
from wired import Agent

from edgewright.contract.report import Outcome
from threats.scene import lose_metadata, obeys, release, reports

FAR = 1_000_000_000


@pytest.mark.parametrize("is_path_known", [True, False])
def test_software_that_no_release_key_signed_is_not_even_fetched(agent, hub, is_path_known):
    good = release(hub, agent, 1)
    evil, _, _ = hub.releases.install(2)
    known = msgspec.structs.replace(good, deployment="e", manifest_sha256=evil.manifest_sha256)
    hub.installs = (known if is_path_known else evil,)
    hub.asked.clear()

    agent.work(for_s=60.0)

    assert "GET blobs" not in hub.asked
    assert reports(hub)[-1].outcome is Outcome.REFUSED
    assert serving_counter(agent.root) == 1


@pytest.mark.parametrize("evil", [b"\0", b"x" * 900, b"x" * 10_000], ids=["shorter", "as long", "longer"])
def test_bytes_that_are_not_those_that_were_signed_never_run(agent, hub, evil):
    install = hub.release(1)
    for sha256 in set(hub.shelf.blobs) - {install.manifest_sha256}:
        hub.shelf.blobs[sha256] = evil

    agent.work(for_s=15.0)

    assert serving_counter(agent.root) == 0


def test_an_old_state_of_the_hub_is_not_believed(agent, hub, forge):
    release(hub, agent, 1)
    before = forge.files()
    release(hub, agent, 2)
    assert obeys(agent, hub)

    forge.put(before)

    assert not obeys(agent, hub)


def test_an_old_release_whose_signature_still_holds_is_below_the_floor(agent, hub):
    first = release(hub, agent, 1)
    release(hub, agent, 2)
    hub.installs = (msgspec.structs.replace(first, deployment="again", is_reoffer=True),)

    agent.work(for_s=60.0)

    assert serving_counter(agent.root) == 2
    assert "below this device's floor 2" in reports(hub)[-1].reason


def test_a_power_cut_that_takes_the_metadata_opens_no_way_back(agent, hub, forge):
    release(hub, agent, 1)
    before = forge.files()
    release(hub, agent, 2)
    lose_metadata(agent)
    forge.put(before)

    agent = Agent(agent.root, hub)

    assert not obeys(agent, hub)
    assert serving_counter(agent.root) == 2


def test_a_power_cut_that_takes_the_model_s_records_opens_no_way_back(agent, hub):
    first = release(hub, agent, 1)
    release(hub, agent, 2)
    for name in ("state.json", "state.json.bak"):
        (agent.root / "models" / "digits" / name).write_bytes(b"\0" * 64)
    hub.installs = (msgspec.structs.replace(first, deployment="again", is_reoffer=True),)

    agent = Agent(agent.root, hub).work(for_s=60.0)

    assert serving_counter(agent.root) == 2
    assert "below this device's floor 2" in reports(hub)[-1].reason


def test_a_hub_that_stands_still_is_not_believed_for_longer_than_a_day(agent, hub):
    release(hub, agent, 1)
    hub.now += timedelta(hours=23).total_seconds()
    assert obeys(agent, hub)

    hub.now += timedelta(hours=2).total_seconds()

    assert not obeys(agent, hub)
    assert serving_counter(agent.root) == 1


def test_parts_of_two_states_do_not_make_a_third(agent, hub, forge):
    release(hub, agent, 1)
    before = forge.files()
    hub.release(2)
    forge.put({"3.snapshot.json": before["2.snapshot.json"], "2.release-digits.json": before["1.release-digits.json"]})

    assert not obeys(agent, hub)


def test_versions_that_a_thief_drove_far_up_end_with_the_thief_s_keys(agent, hub, forge):
    release(hub, agent, 1)
    honest, timestamp = forge.newest_snapshot(), forge.files()["timestamp.json"]
    far = forge.newest_snapshot()
    far.meta["release-digits.json"] = MetaFile(version=FAR)
    forge.publish_snapshot(far, version=FAR)
    forge.resign("timestamp.json", hub.keys.timestamp, version=FAR)
    assert obeys(agent, hub)
    forge.put({"timestamp.json": timestamp})
    forge.publish_snapshot(honest)
    assert not obeys(agent, hub)

    new_timestamp, new_snapshot = forge.replace_keys("timestamp", "snapshot")
    forge.publish_snapshot(honest, signer=new_snapshot)
    forge.resign("timestamp.json", new_timestamp)

    assert obeys(agent, hub)
    assert serving_counter(agent.root) == 1


def test_a_new_root_that_the_old_one_did_not_sign_changes_nothing(agent, hub, forge):
    release(hub, agent, 1)
    forge.next_root(names=("root-1",), expires=datetime.fromtimestamp(hub.now, UTC) + timedelta(days=900))

    assert not obeys(agent, hub)
