"""Directives that are given or lifted while rollouts run: nobody gets what was taken back, no wave waits in vain."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import DirectiveDraft, DirectiveKind, ReleaseState, RolloutDraft, RolloutState
from edgewright.contract.report import Outcome

HOLD = DirectiveDraft(model="digits", kind=DirectiveKind.HOLD, reason="a fair is on")
PIN = DirectiveDraft(model="digits", kind=DirectiveKind.PIN, counter=2)


@pytest.fixture
def begin(world, veterans):
    """Starts a rollout of digits/2 in these waves; its id."""

    def act(*waves: int, release: str = "digits/2") -> str:
        id = world.start(release, waves=waves).id
        world.rollouts.waves.end_deltas(id)
        world.tick(id, 1)
        return id

    return act


def part(world, rollout: str, device: str) -> tuple[str, str]:
    """State and reason of a device's deployment."""
    deployments = world.rollouts.rollout(rollout).deployments
    return next((one.state, one.reason) for one in deployments if one.device == device)


def ordered(world, device: str) -> list[int]:
    return [install.counter for install in world.check_in(device)[0]]


def test_a_device_that_is_held_while_it_waits_gets_nothing_and_its_wave_goes_on(world, begin, directives, operator):
    id = begin(1, 8)
    world.install(world.wave(id, 1)[0])
    held, *others = world.wave(id, 2)

    directives.give(operator, held, HOLD)

    assert part(world, id, held) == ("held", "held back by olga: a fair is on")
    assert world.tick(id, 1) == "advance"
    world.tick(id, 2)
    assert ordered(world, held) == []
    for device in others:
        world.install(device)
    assert world.tick(id, 2) == "advance"
    record = world.rollouts.rollout(id)
    assert record.state is RolloutState.DONE
    assert (record.waves[1].held, record.waves[1].waiting, record.states["held"]) == (1, 0, 1)


def test_a_device_that_is_held_after_it_was_admitted_gets_nothing_and_its_place_is_free(
    world, begin, directives, operator
):
    id = begin(8)
    held = world.wave(id, 1)[0]
    assert part(world, id, held)[0] == "admitted"

    directives.give(operator, held, HOLD)

    assert part(world, id, held)[0] == "held"
    assert ordered(world, held) == []
    assert next(one for one in world.rollouts.rollout(id).deployments if one.device == held).lease_until is None


def test_a_device_that_is_held_at_its_install_gives_up_what_it_has_begun(world, begin, directives, operator):
    id = begin(8)
    held = world.wave(id, 1)[0]
    (install,) = world.check_in(held)[0]
    state = world.states[held]["digits"]
    world.states[held]["digits"] = msgspec.structs.replace(state, candidate_counter=2, step="stage")

    directives.give(operator, held, HOLD)

    installs, rollbacks = world.check_in(held)
    assert installs == ()
    assert [(one.deployment, one.reason) for one in rollbacks] == [
        (install.deployment, "held back by olga: a fair is on")
    ]
    assert part(world, id, held)[0] == "withdrawn"


def test_a_device_that_is_held_keeps_what_it_has_committed(world, begin, directives, operator):
    id = begin(8)
    device = world.wave(id, 1)[0]
    world.install(device)

    directives.give(operator, device, HOLD)

    assert world.check_in(device) == ((), ())
    assert part(world, id, device)[0] == "committed"


def test_a_device_that_is_pinned_while_a_newer_release_is_on_offer_gets_its_own(world, begin, directives, operator):
    world.shelf.put("digits", 3)
    id = begin(8, release="digits/3")
    device = world.wave(id, 1)[0]

    directives.give(operator, device, PIN)

    world.tick(world.rollouts.rollouts()[0].id, 1)
    assert ordered(world, device) == [2]
    assert part(world, id, device) == ("held", "pinned to digits/2 by olga")


def test_pinned_to_what_a_rollout_brings_a_device_gets_just_that(world, begin, directives, operator):
    id = begin(8)
    device = world.wave(id, 1)[0]

    directives.give(operator, device, PIN)

    world.tick(world.rollouts.rollouts()[0].id, 1)
    assert ordered(world, device) == [2]


def test_lifted_in_time_a_hold_lets_its_device_go_on(world, begin, directives, operator):
    id = begin(8)
    held = world.wave(id, 1)[0]
    directives.give(operator, held, HOLD)

    directives.free(operator, held, "digits")

    assert part(world, id, held) == ("pending", "")
    world.tick(id, 1)
    assert ordered(world, held) == [2]


def test_a_hold_that_another_directive_takes_the_place_of_is_lifted(world, begin, directives, operator):
    id = begin(8)
    device = world.wave(id, 1)[0]
    directives.give(operator, device, HOLD)

    directives.give(operator, device, msgspec.structs.replace(PIN, reason="qualified"))

    assert part(world, id, device) == ("withdrawn", "superseded: pinned to digits/2 by olga: qualified")


def test_lifted_after_its_wave_a_hold_leaves_its_device_to_the_next_rollout(world, begin, directives, operator):
    id = begin(8)
    held, *others = world.wave(id, 1)
    directives.give(operator, held, HOLD)
    for device in others:
        world.install(device)
        world.check_in(device)
    assert world.tick(id, 1) == "advance"

    directives.free(operator, held, "digits")

    assert part(world, id, held) == ("withdrawn", "held back by olga: a fair is on")
    assert ordered(world, held) == []
    plan = world.rollouts.planner.plan(RolloutDraft(release="digits/2", group="lanes", waves=(8,))).plan
    assert list(plan.offers) == [held]


def test_a_rollout_whose_only_canary_is_held_waits_for_a_person_and_the_release_stays_good(
    world, begin, directives, operator
):
    id = begin(1, 8)
    directives.give(operator, world.wave(id, 1)[0], HOLD)

    assert world.tick(id, 1) == "hold"

    record = world.rollouts.rollout(id)
    assert "nobody of it is left" in record.waves[0].reason
    assert world.shelf.release("digits", 2).state is ReleaseState.READY
    world.rollouts.promote(operator, id, "the bench has it")
    assert world.rollouts.rollout(id).waves[0].state == "passed"


def test_a_wave_after_others_that_nobody_is_left_in_passes(world, begin, directives, operator):
    id = begin(1, 2, 8)
    world.install(world.wave(id, 1)[0])
    directives.give(operator, world.wave(id, 2)[0], HOLD)

    assert (world.tick(id, 1), world.tick(id, 2)) == ("advance", "advance")


def test_a_rollout_whose_release_turns_bad_elsewhere_is_halted(world, begin):
    id = begin(8)
    with world.db.write() as connection:
        world.shelf.mark_bad(connection, "digits", 2, "biased")
        world.events.record(connection, "packaging.release_bad", "digits/2", reason="biased")
    world.events.deliver()

    assert world.tick(id, 1) == "roll_back"

    record = world.rollouts.rollout(id)
    assert (record.state, record.reason) == (RolloutState.HALTED, "release digits/2 is bad: biased")


def test_who_was_held_between_the_plan_and_the_start_is_held_at_the_first_look(world, begin, directives, operator):
    device = world.devices[0]
    plan = world.rollouts.planner.plan
    draft = RolloutDraft(release="digits/2", group="lanes", waves=(8,))

    def slow(asked):
        planned = plan(asked)
        directives.give(operator, device, HOLD)
        return planned

    world.rollouts.planner.plan = slow
    id = world.rollouts.start(operator, draft).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)

    assert part(world, id, device)[0] == "held"
    assert ordered(world, device) == []


def test_a_hold_wakes_the_wave_that_waits_for_its_device(world, begin, directives, operator, monkeypatch):
    id = begin(8)
    woken = []
    monkeypatch.setattr(world.jobs, "wake", woken.append)

    directives.give(operator, world.wave(id, 1)[0], HOLD)
    world.events.deliver()

    assert woken == [f"{id}-wave-1"]


def test_a_rollout_that_is_taken_back_keeps_nothing_for_those_that_were_held(world, begin, directives, operator):
    id = begin(8)
    held, other = world.wave(id, 1)[:2]
    directives.give(operator, held, HOLD)
    world.install(other, Outcome.FAILED, "disk is full")

    assert world.tick(id, 1) == "roll_back"

    assert part(world, id, held)[0] == "withdrawn"
