"""What a thief gets with the hub's own keys: packages that people signed, that fit, that are new enough; no more."""

from __future__ import annotations

import msgspec
import pytest
from device import serving_counter
from origin import Forge
from scripted_hub import TTL_S, ScriptedHub
from tuf.api.metadata import Metadata, MetaFile, Targets
from wired import Agent

from edgewright.contract import manifest as manifests
from edgewright.contract.order import Bench, Install, Rollback
from edgewright.contract.report import BenchOutcome, BenchReport, Outcome
from threats.scene import lose_metadata, obeys, release, reports

# The thief holds hub.keys: timestamp, snapshot and director, and serves what he likes from the hub's own address.


def sneak_in(hub: ScriptedHub, forge: Forge, install: Install) -> Install:
    """Let the release role vouch for a package, signed by the three keys that the thief has."""
    _, _, data = hub.releases.install(install.counter)
    role = Metadata[Targets].from_bytes(forge.files()["1.release-digits.json"])
    known = next(iter(role.signed.targets.values()))
    role.signed.version += 1
    role.signed.targets = {install.target_path: type(known).from_data(install.target_path, data, ["sha256"])}
    role.signatures.clear()
    for signer in (hub.keys.timestamp, hub.keys.snapshot, hub.keys.director):
        role.sign(signer, append=True)
    forge.put({"2.release-digits.json": role.to_bytes()})
    snapshot = forge.newest_snapshot()
    snapshot.meta["release-digits.json"] = MetaFile(version=2)
    forge.publish_snapshot(snapshot)
    return install


def test_the_three_online_keys_make_no_release(agent, hub, forge):
    release(hub, agent, 1)
    evil, _, _ = hub.releases.install(2)
    hub.installs = (sneak_in(hub, forge, evil),)
    hub.asked.clear()

    agent.work(for_s=60.0)

    assert hub.envelopes  # the order itself is signed by the director
    assert serving_counter(agent.root) == 1
    assert "GET blobs" not in hub.asked


def test_the_three_online_keys_take_no_device_below_its_floor(agent, hub, forge):
    first = release(hub, agent, 1)
    release(hub, agent, 3)
    lose_metadata(agent)
    hub.installs = (msgspec.structs.replace(first, deployment="back", is_reoffer=True),)

    Agent(agent.root, hub).work(for_s=60.0)

    assert serving_counter(agent.root) == 3
    assert reports(hub)[-1].outcome is Outcome.REFUSED
    assert "below this device's floor 3" in reports(hub)[-1].reason


def test_the_three_online_keys_have_nothing_measured_that_they_could_not_have_installed(agent, hub):
    release(hub, agent, 1)
    release(hub, agent, 3)
    hub.installs = ()
    below, forged = (_bench_of(hub.releases.install(counter)[0]) for counter in (1, 4))  # nobody signed 4
    hub.benches = (below, forged)
    started = agent.trials.started

    agent.work(for_s=400.0)

    told = {one.request: one for one in hub.records if isinstance(one, BenchReport)}
    assert [told[one.request].outcome for one in (below, forged)] == [BenchOutcome.REFUSED] * 2
    assert "older than release 3" in told[below.request].reason
    assert agent.trials.started == started
    assert serving_counter(agent.root) == 3


def _bench_of(install: Install) -> Bench:
    names = ("model", "version", "counter", "target_path", "manifest_sha256", "fetches")
    facts = {name: getattr(install, name) for name in names}
    return Bench(request=f"b{install.counter}", calls=100, expires_at=2e9, **facts)


def test_the_three_online_keys_send_a_device_back_to_its_spare_slot_and_no_further(agent, hub):
    """What is in the spare slot has served here before; to leave a release for it is an order of the director's."""
    for counter in (1, 2, 3):
        release(hub, agent, counter)
    hub.installs = ()
    for counter in (3, 2):
        leave = Rollback(deployment=f"back-{counter}", model="digits", counter=counter, reason="a thief says so")
        hub.rollbacks = (leave,)
        agent.work(for_s=60.0)

    assert serving_counter(agent.root) == 2


def test_the_three_online_keys_bring_no_package_for_other_hardware(agent, hub):
    release(hub, agent, 1)
    install, _, _ = hub.releases.install(2)
    data = manifests.encode(hub.releases.manifest(2, hardware=("riscv64",)))
    hub.publish(msgspec.structs.replace(install, manifest_sha256=hub.shelf.add(data)), data)

    agent.work(for_s=60.0)

    assert serving_counter(agent.root) == 1
    assert "the package is for riscv64" in reports(hub)[-1].reason


def test_the_three_online_keys_choose_among_what_people_signed(agent, hub):
    """What a hub that was taken over can do: order a release that people signed, that fits, at or above the floor."""
    release(hub, agent, 1)
    second = hub.release(2)
    hub.release(3)
    hub.installs = (second,)

    agent.work(for_s=60.0)

    assert serving_counter(agent.root) == 2


def test_the_three_online_keys_can_withhold_and_the_device_goes_on_with_what_it_has(agent, hub):
    release(hub, agent, 1)
    hub.installs = ()
    for _ in range(5):
        hub.now += TTL_S / 2
        agent.work(for_s=60.0)

    assert serving_counter(agent.root) == 1


def test_the_three_online_keys_drive_no_clock_ahead(agent, hub):
    """A thief who could would make all metadata expire, for good: a device with a clock learns no time beyond it."""
    release(hub, agent, 1)
    for _ in range(20):
        hub.forged = {"issued_at": agent.time.now() + 299.0}
        assert obeys(agent, hub)
    hub.forged = {}

    assert agent.time.now() == hub.now
    assert obeys(agent, hub)


@pytest.mark.parametrize("role", ["root", "targets"])
def test_the_three_online_keys_do_not_name_other_keys(agent, hub, forge, role):
    release(hub, agent, 1)
    if role == "root":
        forge.next_root(names=())
        forge.resign("2.root.json", hub.keys.timestamp)
    else:
        forge.put({"3.targets.json": forge.files()["2.targets.json"]})
        forge.resign("3.targets.json", hub.keys.snapshot, version=3)
        snapshot = forge.newest_snapshot()
        snapshot.meta["targets.json"] = MetaFile(version=3)
        forge.publish_snapshot(snapshot)

    assert not obeys(agent, hub)
