"""Attacks through orders: another device's, yesterday's, none at all, and for hardware that this device is not."""

from __future__ import annotations

import msgspec
import pytest
from device import serving_counter
from scripted_hub import TTL_S

from edgewright.contract import manifest as manifests
from edgewright.contract.report import Outcome
from threats.scene import obeys, release, reports


def test_an_order_for_another_device_is_not_carried_out(agent, hub):
    release(hub, agent, 1)
    hub.forged = {"device": "dev2"}

    assert not obeys(agent, hub)


def test_an_order_that_was_sent_before_is_not_carried_out(agent, hub):
    release(hub, agent, 1)
    assert obeys(agent, hub)
    hub.replayed = hub.envelopes[-1]

    assert not obeys(agent, hub)


@pytest.mark.parametrize("off_s", [-(TTL_S + 301.0), 301.0], ids=["of long ago", "of the future"])
def test_an_order_of_another_time_is_not_carried_out(agent, hub, off_s):
    release(hub, agent, 1)
    hub.forged = {"issued_at": hub.now + off_s}

    assert not obeys(agent, hub)


def test_nothing_new_is_believed_only_while_the_last_order_lives(agent, hub):
    release(hub, agent, 1)
    hub.is_silent = True
    agent.work(for_s=60.0)
    assert hub.check_ins[-1].etag

    hub.now += TTL_S + 1
    agent.work(for_s=60.0)
    hub.is_silent = False

    assert hub.check_ins[-1].etag == ""
    assert obeys(agent, hub)


def test_nothing_new_is_no_answer_to_a_device_that_has_just_started(agent, hub):
    hub.is_silent = True
    hub.release(1)

    agent.work(for_s=60.0)

    assert {state.etag for state in hub.check_ins} == {""}
    assert len(hub.check_ins) > 2  # it asks again, sooner than it would had it believed


@pytest.mark.parametrize(
    "facts",
    [{"hardware": ("aarch64",)}, {"hardware_ids": ("vendor-board-9",)}],
    ids=["architecture", "hardware id"],
)
def test_a_signed_package_for_other_hardware_is_refused_before_its_files_are_fetched(agent, hub, facts):
    install, _, _ = hub.releases.install(1)
    data = manifests.encode(hub.releases.manifest(1, **facts))
    hub.publish(msgspec.structs.replace(install, manifest_sha256=hub.shelf.add(data)), data)
    hub.asked.clear()

    agent.work(for_s=60.0)

    assert hub.asked.count("GET blobs") == 1  # the manifest
    assert reports(hub)[-1].outcome is Outcome.REFUSED
    assert "the package is for" in reports(hub)[-1].reason
    assert serving_counter(agent.root) == 0
