"""What one device is offered: planned by what it holds and has measured, and small enough for one order."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.order import MAX_ORDER_BYTES, Fetch, Install, Order, Shadow
from edgewright.contract.report import Pace
from edgewright.hub.packaging import MAX_FETCHES
from edgewright.hub.rollout.running.offers import max_fetches

GIB = 1024**3


@pytest.fixture
def veterans(world):
    """Eight devices of the group 'lanes', all running digits/1, and digits/2 ready."""
    world.group()
    world.shelf.put("digits", 1)
    lanes = world.enrol(8)
    world.deploy("digits/1")
    world.shelf.put("digits", 2)
    for device in lanes:
        world.check_in(device)
    return lanes


def test_a_device_that_comes_with_another_base_gets_what_there_is_and_a_delta_is_made_for_those_after_it(
    world, veterans
):
    id = world.start("digits/2").id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    (device,) = world.wave(id, 1)
    world.shelf.put("digits", 7)
    world.run(device, "digits", 7)
    world.states[device]["digits"] = msgspec.structs.replace(world.states[device]["digits"], counter=1)

    offers = [world.check_in(device) for _ in range(2)]

    base, wanted = world.shelf.package("digits", 7), world.shelf.package("digits", 2)
    assert [len(installs) for installs, _ in offers] == [1, 1]
    assert world.shelf.runs[f"{id}-deltas-{base[:12]}"] == {(base, wanted): 1}
    assert len(world.shelf.runs) == 2


def test_an_order_is_planned_by_what_the_device_holds_and_has_measured(world, veterans):
    world.pace = Pace(download_bytes_s=5e4, is_metered=True)
    id = world.start("digits/2").id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    (device,) = world.wave(id, 1)

    (install,), _ = world.check_in(device)

    wanted, held, pace, room = world.shelf.planned[-1]
    assert (wanted, held) == (world.shelf.package("digits", 2), {world.shelf.package("digits", 1)})
    assert (pace, room) == (world.pace, MAX_FETCHES)
    assert world.shelf.used == {fetch.sha256 for fetch in install.fetches}
    deployment = next(one for one in world.rollouts.rollout(id).deployments if one.device == device)
    assert (deployment.planned_bytes, deployment.full_bytes) == (4, 9)


@pytest.mark.parametrize("models", [1, 30, 64])
def test_whatever_a_device_is_offered_at_once_fits_into_one_order(models):
    fetch = Fetch(
        base_sha256="a" * 64, result_sha256="b" * 64, result_bytes=8 * GIB, sha256="c" * 64, size_bytes=8 * GIB
    )
    room = max_fetches(models, [])
    install = Install(
        deployment="d" * 140,
        model="m" * 100,
        version=2**31,
        counter=2**31,
        target_path="t" * 200,
        manifest_sha256="e" * 64,
        fetches=(fetch,) * room,
        shadow=Shadow(min_requests=50, min_agreement=0.9123456, max_wait_s=120.0),
    )
    order = Order(device="d" * 40, nonce="n" * 40, issued_at=1.8e9, ttl_s=86400.0, installs=(install,) * models)

    assert len(msgspec.json.encode(order)) <= MAX_ORDER_BYTES
