"""Taking a rollout back: whole or by wave, to what devices had or to an earlier release, and who cannot."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import RollbackDraft, RolloutState
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.report import Outcome
from edgewright.hub.packaging import ReleaseIsBad
from edgewright.hub.rollout import RolloutMovedOn
from edgewright.hub.rollout.running import CannotGoBack


def take(world, device: str) -> None:
    """Install what is ordered, keeping what ran before in the spare slot."""
    before = world.states[device]["digits"].manifest_sha256
    world.install(device)
    state = world.states[device]["digits"]
    held = (state.manifest_sha256, before)
    world.states[device]["digits"] = msgspec.structs.replace(state, held_manifests=held)
    world.check_in(device)


@pytest.fixture
def lanes(world):
    """Three devices in the group 'lanes', and the release digits/1 ready."""
    world.group()
    world.shelf.put("digits", 1)
    return world.enrol(3)


def begin(world) -> str:
    """A rollout of digits/2 in waves of one and two, of which the first has committed. Its id."""
    id = world.start("digits/2", waves=(1, 3)).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    take(world, world.wave(id, 1)[0])
    return id


@pytest.fixture
def updated(world, veterans):
    """digits/2 on all three devices, in waves of one and two; digits/1 in their spare slots. The rollout's id."""
    id = world.start("digits/2", waves=(1, 3)).id
    world.rollouts.waves.end_deltas(id)
    for number in (1, 2):
        world.tick(id, number)
        for device in world.wave(id, number):
            take(world, device)
        world.tick(id, number)
    return id


def going_back(world) -> list[str]:
    return [device for device in world.devices if world.check_in(device)[1]]


def test_a_rollout_that_is_done_is_taken_back_whole(world, updated, operator):
    assert world.rollouts.rollout(updated).state is RolloutState.DONE

    record = world.rollouts.roll_back(operator, updated, RollbackDraft(reason="complaints"))

    assert (record.devices, record.stuck) == (3, 0)
    assert going_back(world) == world.devices
    assert world.rollouts.rollout(updated).state is RolloutState.ABORTED
    with pytest.raises(RolloutMovedOn):
        world.rollouts.roll_back(operator, updated, RollbackDraft())


def test_a_dry_run_says_who_can_and_changes_nothing(world, updated, operator):
    record = world.rollouts.roll_back(operator, updated, RollbackDraft(to=1), dry_run=True)

    assert set(record.at_once) == set(world.devices)
    assert going_back(world) == []


def test_one_wave_is_taken_back_alone(world, updated, operator):
    wave = world.wave(updated, 1)

    world.rollouts.roll_back(operator, updated, RollbackDraft(wave=1))

    assert sorted(going_back(world)) == sorted(wave)
    assert [one.state for one in world.rollouts.rollout(updated).waves] == ["failed", "passed"]


def test_a_wave_of_a_rollout_that_runs_is_taken_back_and_the_rest_goes_on_when_it_is_resumed(world, veterans, operator):
    id = world.start("digits/2", waves=(1, 3)).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    for device in world.wave(id, 1):
        take(world, device)

    world.rollouts.roll_back(operator, id, RollbackDraft(wave=1, reason="too slow there"))

    assert world.rollouts.rollout(id).state is RolloutState.PAUSED
    world.rollouts.resume(operator, id, "")
    assert world.tick(id, 2) == "ended"  # an older attempt
    assert world.tick(id, 2, attempt=2) == "hold"


def test_a_rollout_whose_last_wave_is_taken_back_is_done_with_the_others(world, veterans, operator):
    id = begin(world)
    world.tick(id, 1)
    world.tick(id, 2)
    first, later = world.wave(id, 1), world.wave(id, 2)
    take(world, later[0])

    world.rollouts.roll_back(operator, id, RollbackDraft(wave=2, reason="too slow there"))

    record = world.rollouts.rollout(id)
    assert (record.state, record.reason) == (RolloutState.DONE, "wave 2 was rolled back: too slow there")
    assert record.ended_at is not None
    assert going_back(world) == [later[0]]
    assert world.tick(id, 2) == "ended"
    world.shelf.put("digits", 3)
    assert world.start("digits/3", waves=(8,)).state is RolloutState.RUNNING
    assert first[0] not in going_back(world)


def test_a_rollout_of_which_no_wave_is_left_is_aborted(world, veterans, operator):
    id = world.start("digits/2", waves=(3,)).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    take(world, world.wave(id, 1)[0])

    world.rollouts.roll_back(operator, id, RollbackDraft(wave=1))

    assert world.rollouts.rollout(id).state is RolloutState.ABORTED
    with pytest.raises(RolloutMovedOn):
        world.rollouts.resume(operator, id, "")


def test_a_paused_rollout_whose_last_wave_is_taken_back_ends_when_it_is_resumed(world, veterans, operator):
    id = begin(world)
    world.tick(id, 1)
    world.tick(id, 2)
    world.rollouts.pause(operator, id, "a fair is on")

    world.rollouts.roll_back(operator, id, RollbackDraft(wave=2))

    assert world.rollouts.rollout(id).state is RolloutState.PAUSED
    world.rollouts.resume(operator, id, "")
    assert world.rollouts.rollout(id).state is RolloutState.DONE
    with pytest.raises(RolloutMovedOn):
        world.rollouts.promote(operator, id, "")


def test_who_lacks_the_wanted_release_in_its_spare_slot_is_named_with_the_way_out(world, updated, operator):
    odd = world.devices[2]
    state = world.states[odd]["digits"]
    world.states[odd]["digits"] = msgspec.structs.replace(state, held_manifests=(state.manifest_sha256, "ef" * 32))
    world.check_in(odd)

    with pytest.raises(CannotGoBack, match=odd) as caught:
        world.rollouts.roll_back(operator, updated, RollbackDraft(to=1))

    assert "edgewright release build" in caught.value.hint
    assert going_back(world) == []
    record = world.rollouts.roll_back(operator, updated, RollbackDraft(to=1, is_partly=True))
    assert (record.devices, list(record.reasons)) == (2, [odd])
    assert odd not in going_back(world)


def test_a_device_without_a_spare_cannot_go_back(world, lanes, operator):
    world.deploy("digits/1")
    for device in lanes:
        world.check_in(device)

    record = world.rollouts.roll_back(operator, "digits-1-r1", RollbackDraft(), dry_run=True)

    assert record.stuck == 3
    assert set(record.reasons.values()) == {"its spare slot is empty"}
    with pytest.raises(CannotGoBack):
        world.rollouts.roll_back(operator, "digits-1-r1", RollbackDraft(is_partly=True))
    assert world.rollouts.rollout("digits-1-r1").state is RolloutState.DONE


def test_what_is_bad_later_or_not_there_is_no_way_back(world, updated, operator):
    with pytest.raises(InvalidInput, match="not earlier"):
        world.rollouts.roll_back(operator, updated, RollbackDraft(to=2))
    with pytest.raises(NotFound):
        world.rollouts.roll_back(operator, updated, RollbackDraft(wave=9))
    world.shelf.mark_bad(None, "digits", 1, "biased")
    with pytest.raises(ReleaseIsBad):
        world.rollouts.roll_back(operator, updated, RollbackDraft(to=1))


def test_a_device_that_went_back_by_itself_is_left_alone(world, updated, operator):
    went = world.wave(updated, 2)[0]
    deployment = next(one for one in world.rollouts.rollout(updated).deployments if one.device == went)
    install = world.result(_Install(deployment.id), Outcome.ROLLED_BACK, "it crashed")
    world.report(install, went)

    record = world.rollouts.roll_back(operator, updated, RollbackDraft())

    assert record.devices == 2
    assert went not in going_back(world)


class _Install(msgspec.Struct):
    deployment: str
    model: str = "digits"
    counter: int = 2
