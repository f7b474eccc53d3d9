"""Pins, holds and forces: what a person wants of one model on one device, beside every rollout."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import DirectiveDraft, DirectiveKind, ReleaseState
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.report import Outcome
from edgewright.hub.rollout import NoDeviceFits, ReleaseNotReady
from edgewright.hub.rollout.directives import BelowFloor, Directives
from edgewright.hub.rollout.held import held

HOLD = DirectiveDraft(model="digits", kind=DirectiveKind.HOLD, reason="a fair is on")


def pin(counter: int) -> DirectiveDraft:
    return DirectiveDraft(model="digits", kind=DirectiveKind.PIN, counter=counter)


def force(counter: int) -> DirectiveDraft:
    return DirectiveDraft(model="digits", kind=DirectiveKind.FORCE, counter=counter)


@pytest.fixture
def deployed():
    """Releases by device, and whether they are offered again."""
    return []


@pytest.fixture
def directives(world, deployed) -> Directives:
    def deploy(connection, principal, release, device, offer, why, is_reoffer=False) -> str:
        deployed.append((device, release.id, is_reoffer))
        return "own"

    planner = world.rollouts.planner

    def known(model: str) -> None:
        if model not in ("digits", "wine"):
            raise NotFound(f"there is no model '{model}'", field="model")

    return Directives(world.db, world.events, world.audit, world.clock, world.fleet, planner, deploy, known)


def test_a_device_that_is_held_back_is_in_no_plan_and_the_plan_says_why(world, lanes, directives, operator):
    directives.give(operator, lanes[0], HOLD)

    record = world.start("digits/1")

    (refused,) = (deployment for deployment in record.deployments if deployment.state == "refused")
    assert (refused.device, refused.reason) == (lanes[0], "held back by olga: a fair is on")
    with world.db.read() as connection:
        assert held(connection, "digits", lanes) == {lanes[0]: "held back by olga: a fair is on"}
        assert held(connection, "wine", lanes) == {}


def test_nobody_is_held_back_from_a_model_that_is_not_there(lanes, directives, operator):
    with pytest.raises(NotFound) as caught:
        directives.give(operator, lanes[0], msgspec.structs.replace(HOLD, model="digit"))

    assert caught.value.field == "model"
    assert directives.all() == []


def test_freed_a_device_takes_part_again(world, lanes, directives, operator):
    directives.give(operator, lanes[0], HOLD)

    directives.free(operator, lanes[0], "digits")

    assert directives.all() == []
    assert not [one for one in world.start("digits/1").deployments if one.state == "refused"]
    with pytest.raises(NotFound):
        directives.free(operator, lanes[0], "digits")


def test_a_pinned_device_gets_its_release_at_once_and_no_other(world, lanes, directives, deployed, operator):
    world.shelf.put("digits", 2)

    directives.give(operator, lanes[0], pin(1))

    assert deployed == [(lanes[0], "digits/1", False)]
    refused = [one for one in world.start("digits/2").deployments if one.state == "refused"]
    assert [(one.device, one.reason) for one in refused] == [(lanes[0], "pinned to digits/1 by olga")]
    with world.db.read() as connection:
        assert held(connection, "digits", lanes, counter=1) == {}


def test_a_device_that_runs_what_it_is_pinned_to_just_keeps_it(world, veterans, directives, deployed, operator):
    directives.give(operator, veterans[0], pin(1))

    assert deployed == []
    assert [(one.kind, one.counter, one.by) for one in directives.all(veterans[0])] == [("pin", 1, "olga")]


def test_no_device_is_pinned_or_forced_below_what_it_runs(world, veterans, directives, operator):
    world.deploy("digits/2")
    for device in veterans:
        world.check_in(device)

    with pytest.raises(BelowFloor, match="runs digits/2"):
        directives.give(operator, veterans[0], force(1))

    assert directives.all() == []


def test_a_device_that_rolled_a_release_back_gets_it_again_only_by_force(world, lanes, directives, deployed, operator):
    id = world.start("digits/1", waves=(8,), max_failed=8).id
    world.tick(id, 1)
    world.install(lanes[0], Outcome.ROLLED_BACK, "crashed")
    world.rollouts.abort(operator, id, "look into it")
    refused = [one for one in world.start("digits/1").deployments if one.state == "refused"]
    assert [(one.device, one.reason) for one in refused] == [(lanes[0], "has rolled this release back before")]

    directives.give(operator, lanes[0], force(1))

    assert deployed == [(lanes[0], "digits/1", True)]


def test_a_release_that_goes_bad_takes_its_pins_with_it(world, lanes, directives, operator):
    directives.give(operator, lanes[0], pin(1))
    directives.give(operator, lanes[1], HOLD)

    with world.db.write() as connection:
        world.events.record(connection, "packaging.release_bad", "digits/1", reason="it crashes")
    world.events.deliver()

    assert [one.device for one in directives.all()] == [lanes[1]]


def test_a_dry_run_gives_nothing_and_refuses_alike(world, lanes, directives, deployed, operator):
    directives.give(operator, lanes[0], pin(1), dry_run=True)

    assert (directives.all(), deployed) == ([], [])
    with pytest.raises(NotFound):
        directives.give(operator, "dev-nobody", pin(1), dry_run=True)


def test_nothing_is_wanted_of_a_device_that_is_out_of_service(world, lanes, directives, deployed, operator):
    world.fleet.retire(operator, lanes[0], "broken")

    with pytest.raises(InvalidInput) as caught:
        directives.give(operator, lanes[0], force(1))

    assert caught.value.field == "device"
    assert (directives.all(), deployed) == ([], [])


@pytest.mark.parametrize("draft", [pin(0), msgspec.structs.replace(HOLD, counter=3), force(-1)])
def test_pins_and_forces_name_a_release_and_holds_do_not(lanes, directives, operator, draft):
    with pytest.raises(InvalidInput) as caught:
        directives.give(operator, lanes[0], draft)

    assert caught.value.field == "counter"


def test_only_a_release_that_is_ready_and_fits_can_be_wanted(world, manifest_of, lanes, directives, operator):
    world.shelf.put("digits", 2, ReleaseState.DRAFT)
    world.shelf.put("digits", 3, board=manifest_of("digits", 3, "board", hardware=("aarch64",)))

    with pytest.raises(ReleaseNotReady):
        directives.give(operator, lanes[0], pin(2))
    with pytest.raises(NoDeviceFits, match="needs aarch64"):
        directives.give(operator, lanes[0], pin(3))
    with pytest.raises(NotFound):
        directives.give(operator, lanes[0], pin(9))
