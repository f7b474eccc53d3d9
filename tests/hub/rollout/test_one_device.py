"""Rollouts to one device alone, by a directive or to a new board: a failure there is no verdict on the release."""

from __future__ import annotations

import pytest

from edgewright.contract.api import ClaimDraft, DirectiveDraft, DirectiveKind, ReleaseState, RolloutState
from edgewright.contract.report import Outcome
from edgewright.hub.rollout.succession import Succession

FORCE = DirectiveDraft(model="digits", kind=DirectiveKind.FORCE, counter=2, reason="try again")
HOLD = DirectiveDraft(model="digits", kind=DirectiveKind.HOLD, reason="a fair is on")


@pytest.fixture
def replace(world, operator):
    """Lets a new board take a device's place; returns its id."""
    planner, deploy = world.rollouts.planner, world.rollouts.deploy_one
    Succession(world.db, world.events, world.clock, world.fleet, planner, deploy)

    def act(old: str) -> str:
        token = world.fleet.claim(operator, ClaimDraft(replaces=old)).tokens[0]
        new = world.enrol_with(token, "x86_64")
        world.events.deliver()
        return new

    return act


@pytest.fixture
def updated(world, veterans) -> tuple[list[str], str]:
    """digits/2 on seven of the eight devices by a rollout that is done, and the eighth, which rolled it back."""
    id = world.start("digits/2", waves=(8,), max_failed=1).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    *seven, eighth = world.wave(id, 1)
    for device in seven:
        world.install(device)
        world.check_in(device)
    world.install(eighth, Outcome.ROLLED_BACK, "disk is full")
    assert world.tick(id, 1) == "advance"
    return seven, eighth


def going_back(world, devices) -> list[str]:
    return [device for device in devices if world.check_in(device)[1]]


def own_rollout(world) -> str:
    """The id of the newest rollout, which has begun."""
    id = world.rollouts.rollouts()[0].id
    world.tick(id, 1)
    return id


def test_a_forced_device_that_fails_ends_its_own_rollout_and_the_release_stays_good(
    world, updated, directives, operator
):
    seven, eighth = updated
    directives.give(operator, eighth, FORCE)
    own = own_rollout(world)

    world.install(eighth, Outcome.FAILED, "disk is full")

    assert world.tick(own, 1) == "roll_back"
    record = world.rollouts.rollout(own)
    assert record.state is RolloutState.HALTED
    assert "disk is full" in record.reason
    assert world.shelf.release("digits", 2).state is ReleaseState.READY
    assert going_back(world, seven) == []


def test_a_new_board_that_fails_is_no_verdict_on_what_the_old_one_ran(world, updated, replace):
    seven, _ = updated
    new = replace(seven[0])
    own = own_rollout(world)

    world.install(new, Outcome.FAILED, "wrong camera")

    assert world.tick(own, 1) == "roll_back"
    assert world.rollouts.rollout(own).state is RolloutState.HALTED
    assert world.shelf.release("digits", 2).state is ReleaseState.READY
    assert going_back(world, seven[1:]) == []


def test_a_device_on_which_a_forced_release_turns_out_bad_goes_back_alone(world, updated, directives, operator):
    seven, eighth = updated
    directives.give(operator, eighth, FORCE)
    own = own_rollout(world)
    install = world.install(eighth)

    world.report(world.result(install, Outcome.ROLLED_BACK, "it crashed"), eighth)

    assert world.tick(own, 1) == "roll_back"
    assert world.shelf.release("digits", 2).state is ReleaseState.READY
    assert going_back(world, seven) == []


def test_what_a_newer_word_supersedes_ends_and_says_nothing_of_its_release(world, updated, directives, operator):
    seven, eighth = updated
    world.shelf.put("digits", 3)
    directives.give(operator, eighth, FORCE)
    older = own_rollout(world)

    directives.give(operator, eighth, DirectiveDraft(model="digits", kind=DirectiveKind.PIN, counter=3))

    assert world.tick(older, 1) == "ended"
    assert world.rollouts.rollout(older).state is RolloutState.ABORTED
    assert world.shelf.release("digits", 2).state is ReleaseState.READY
    assert going_back(world, seven) == []


def test_a_device_that_is_held_after_it_was_forced_gets_nothing(world, updated, directives, operator):
    _, eighth = updated
    directives.give(operator, eighth, FORCE)
    own = own_rollout(world)

    directives.give(operator, eighth, HOLD)

    assert world.check_in(eighth)[0] == ()
    assert world.tick(own, 1) == "ended"
    assert world.rollouts.rollout(own).state is RolloutState.ABORTED


def test_the_new_board_of_a_device_that_is_held_gets_what_the_old_one_ran(
    world, veterans, directives, replace, operator
):
    directives.give(operator, veterans[0], HOLD)

    new = replace(veterans[0])

    own_rollout(world)
    assert [one.counter for one in world.check_in(new)[0]] == [1]
