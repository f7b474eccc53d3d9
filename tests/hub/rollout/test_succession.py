"""Boards that take another's place in rollouts, and devices that leave the fleet."""

from __future__ import annotations

import pytest

from edgewright.contract.api import ClaimDraft, DirectiveDraft, DirectiveKind
from edgewright.hub.rollout.directives import Directives
from edgewright.hub.rollout.succession import Succession


@pytest.fixture(autouse=True)
def succession(world):
    planner, deploy = world.rollouts.planner, world.rollouts.deploy_one
    return Succession(world.db, world.events, world.clock, world.fleet, planner, deploy)


@pytest.fixture
def replace(world, operator):
    """Lets a new board take a device's place; returns its id."""

    def act(old, arch="x86_64"):
        token = world.fleet.claim(operator, ClaimDraft(replaces=old)).tokens[0]
        new = world.enrol_with(token, arch)
        world.events.deliver()
        return new

    return act


def test_a_new_board_gets_what_was_offered_to_the_old_one(world, lanes, replace):
    id = world.start("digits/1", waves=(8,)).id
    world.tick(id, 1)
    old = world.wave(id, 1)[0]
    world.check_in(old)

    new = replace(old)
    world.tick(id, 1)

    install = world.install(new)
    assert install is not None
    assert (install.model, install.counter, install.deployment) == ("digits", 1, f"{id}:{old}")
    assert new in world.wave(id, 1)
    assert old not in world.wave(id, 1)
    assert world.rollouts.rollout(id).waves[0].committed == 1


def test_a_new_board_gets_what_the_old_one_ran(world, veterans, replace):
    new = replace(veterans[0])
    own = world.rollouts.rollouts()[0].id

    world.tick(own, 1)

    install = world.install(new)
    assert (install.model, install.counter) == ("digits", 1)
    assert world.rollouts.rollout(own).deployments[0].device == new
    world.events.deliver()
    assert len(world.rollouts.rollouts()) == 2


def test_a_board_of_another_kind_is_given_nothing_that_cannot_run_there(world, lanes, replace):
    id = world.start("digits/1", waves=(8,)).id
    world.tick(id, 1)
    old = world.wave(id, 1)[0]

    new = replace(old, arch="riscv64")

    assert world.check_in(new) == ((), ())
    states = {one.device: (one.state, one.reason) for one in world.rollouts.rollout(id).deployments}
    assert states[new][0] == "withdrawn"
    assert "made for the board before" in states[new][1]


def test_what_people_want_of_a_device_holds_for_its_new_board(world, lanes, replace, operator):
    planner, deploy = world.rollouts.planner, world.rollouts.deploy_one
    directives = Directives(
        world.db, world.events, world.audit, world.clock, world.fleet, planner, deploy, lambda model: None
    )
    directives.give(operator, lanes[0], DirectiveDraft(model="digits", kind=DirectiveKind.HOLD, reason="a fair is on"))

    new = replace(lanes[0])

    assert [(one.device, one.kind) for one in directives.all()] == [(new, DirectiveKind.HOLD)]


def test_nothing_waits_for_a_device_that_has_left_the_fleet(world, lanes, operator):
    id = world.start("digits/1", waves=(8,)).id
    world.tick(id, 1)
    gone = world.wave(id, 1)[0]

    world.fleet.retire(operator, gone, "the store has closed")
    world.events.deliver()

    states = {one.device: (one.state, one.reason) for one in world.rollouts.rollout(id).deployments}
    assert states[gone] == ("withdrawn", "the device left the fleet (retired)")
    for device in lanes:
        if device != gone:
            world.install(device)
    assert world.tick(id, 1) == "advance"


def test_a_devices_history_tells_of_its_deployments(world, veterans):
    entries = world.fleet.history(veterans[0])

    assert [entry.kind for entry in entries] == ["deployment.committed", "fleet.enrolled"]
    assert entries[0].what == "release digits/1"
    assert world.fleet.history(veterans[0], before=entries[0].id) == entries[1:]
