"""A rollout from start to end, with devices that report what a test says."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.contract.api import GroupDraft, ReleaseState, RolloutDraft, RolloutState
from edgewright.contract.report import Outcome
from edgewright.hub.events import event_table
from edgewright.hub.rollout import RolloutMovedOn, table


def states(world, rollout) -> list[str]:
    return sorted(deployment.state for deployment in world.rollouts.rollout(rollout).deployments)


def test_a_good_release_goes_from_wave_to_wave_until_everybody_has_it(world, lanes):
    id = world.start("digits/1").id

    for number, size in ((1, 1), (2, 2), (3, 5)):
        assert world.tick(id, number) == "hold"
        assert len(world.wave(id, number)) == size
        for device in world.wave(id, number):
            world.install(device)
        assert world.tick(id, number) == "advance"

    record = world.rollouts.rollout(id)
    assert record.state is RolloutState.DONE
    assert [wave.state for wave in record.waves] == ["passed"] * 3
    assert states(world, id) == ["committed"] * 8
    assert record.deployments[0].received_bytes == 5
    assert world.audit.verify().is_verified


def test_nobody_is_offered_a_release_before_its_wave(world, lanes):
    id = world.start("digits/1").id
    world.tick(id, 1)

    offered = [device for device in lanes if world.check_in(device)[0]]

    assert offered == world.wave(id, 1)


def test_an_offer_names_what_to_install_and_stays_the_same(world, lanes):
    id = world.start("digits/1").id
    world.tick(id, 1)
    device = world.wave(id, 1)[0]

    (install,), rollbacks = world.check_in(device)

    assert rollbacks == ()
    assert (install.model, install.version, install.counter) == ("digits", 1, 1)
    assert install.target_path == "digits/1/cpu"
    assert install.fetches == (world.shelf.delta_to(install.manifest_sha256),)
    assert install.shadow.min_agreement == 0.9
    assert world.check_in(device) == ((install,), ())


def test_a_device_that_has_committed_is_offered_nothing(world, lanes):
    id = world.start("digits/1").id
    world.tick(id, 1)
    device = world.wave(id, 1)[0]
    world.run(device, "digits", 1)

    assert world.check_in(device) == ((), ())


def test_a_bad_release_stops_at_its_first_device_and_is_bad_for_good(world, veterans):
    id = world.start("digits/2").id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    canary = world.wave(id, 1)[0]
    world.install(canary, Outcome.ROLLED_BACK, "agreement 0.11")

    assert world.tick(id, 1) == "roll_back"

    record = world.rollouts.rollout(id)
    assert record.state is RolloutState.HALTED
    assert "agreement 0.11" in record.reason
    assert states(world, id) == ["rolled_back", *["withdrawn"] * 7]
    assert [row.device for row in record.deployments if row.offered_at is not None] == [canary]
    assert world.shelf.release("digits", 2).state is ReleaseState.BAD
    assert all(world.check_in(device) == ((), ()) for device in veterans)
    assert world.rollouts.desired([canary])[canary]["digits"] == (1, (2,))


def test_devices_that_took_a_release_which_then_failed_go_back(world, veterans):
    id = world.start("digits/2", waves=(2, 8)).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    first, second = world.wave(id, 1)
    world.install(first)
    world.install(second, Outcome.FAILED, "out of memory")
    world.tick(id, 1)

    installs, (rollback,) = world.check_in(first)

    assert installs == ()
    assert (rollback.model, rollback.counter) == ("digits", 2)
    assert "out of memory" in rollback.reason
    world.run(first, "digits", 1)
    assert world.check_in(first) == ((), ())


def test_a_device_in_trial_of_a_withdrawn_release_drops_the_candidate(world, veterans, operator):
    id = world.start("digits/2").id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    canary = world.wave(id, 1)[0]
    world.check_in(canary)
    trying = msgspec.structs.replace(world.states[canary]["digits"], step="trial", candidate_counter=2)
    world.states[canary]["digits"] = trying

    world.rollouts.abort(operator, id, "wrong week")

    _, (rollback,) = world.check_in(canary)
    assert rollback.reason == "aborted: wrong week"


def test_the_same_report_twice_counts_once(world, lanes):
    id = world.start("digits/1", waves=(8,), max_failed=1).id
    world.tick(id, 1)
    device = world.wave(id, 1)[0]
    (install,), _ = world.check_in(device)
    report = world.result(install, Outcome.FAILED)

    assert world.report(report, device)
    assert not world.report(report, device)

    assert world.rollouts.rollout(id).waves[0].failed == 1
    with world.db.read() as connection:
        told = sa.select(sa.func.count()).where(event_table.c.kind == "rollout.reported")
        assert connection.scalar(told) == 1


def test_a_report_on_anothers_deployment_is_not_taken(world, lanes):
    id = world.start("digits/1").id
    world.tick(id, 1)
    device = world.wave(id, 1)[0]
    (install,), _ = world.check_in(device)
    other = next(lane for lane in lanes if lane != device)

    assert not world.report(world.result(install, Outcome.FAILED), other)
    assert not world.report(msgspec.structs.replace(world.result(install), counter=7), device)
    assert not world.report(msgspec.structs.replace(world.result(install), deployment="none"), device)

    assert "failed" not in states(world, id)


def test_a_tick_that_is_repeated_changes_nothing(world, lanes):
    id = world.start("digits/1").id
    world.tick(id, 1)
    world.install(world.wave(id, 1)[0])
    world.tick(id, 1)
    before, audited = world.rollouts.rollout(id), world.audit.count()

    assert world.tick(id, 1) == "ended"

    assert world.rollouts.rollout(id) == before
    assert world.audit.count() == audited
    assert [run.id for run in world.jobs.runs("wave")].count(f"{id}-wave-2") == 1


def test_a_device_that_is_away_does_not_hold_up_its_wave_and_catches_up_later(world, lanes):
    world.clock.now += 100.0
    for device in lanes[1:]:
        world.check_in(device)
    id = world.start("digits/1").id
    for number in (1, 2, 3):
        world.tick(id, number)
        for device in set(world.wave(id, number)) - {lanes[0]}:
            world.install(device)
        assert world.tick(id, number) == "advance"
    assert lanes[0] in world.wave(id, 3)
    assert states(world, id) == [*["committed"] * 7, "pending"]

    world.install(lanes[0])

    assert states(world, id) == ["committed"] * 8


def test_a_hub_that_was_down_gives_devices_their_time_before_it_calls_them_away(world, lanes):
    id = world.start("digits/1", waves=(8,)).id
    world.tick(id, 1)
    for device in world.wave(id, 1)[:5]:
        world.install(device)
    world.clock.now += 600.0
    world.boot()

    assert world.tick(id, 1) == "hold"

    world.clock.now += 61.0
    assert world.tick(id, 1) == "advance"


def test_a_device_that_missed_releases_gets_only_the_newest(world, veterans):
    away, *others = veterans
    for counter in (2, 3):
        world.shelf.put("digits", counter)
        world.clock.now += 100.0
        for device in others:
            world.check_in(device)
        id = world.start(f"digits/{counter}", waves=(8,)).id
        world.rollouts.waves.end_deltas(id)
        world.tick(id, 1)
        for device in others:
            world.install(device)
        assert world.tick(id, 1) == "advance"

    install = world.install(away)

    assert install.counter == 3
    assert world.check_in(away) == ((), ())
    missed = world.rollouts.rollout("digits-2-r1").deployments
    assert [row.reason for row in missed if row.device == away] == ["superseded by release digits/3"]
    assert world.rollouts.desired()[away]["digits"] == (3, ())


def test_a_late_failure_of_a_device_that_was_away_stops_the_wave_that_runs(world, lanes):
    world.clock.now += 100.0
    present = lanes[:5]
    for device in present:
        world.check_in(device)
    id = world.start("digits/1", waves=(7, 8), min_reported=0.5).id
    world.tick(id, 1)
    for device in present:
        world.install(device)
    assert world.tick(id, 1) == "advance"
    world.tick(id, 2)
    world.clock.now += 1.0
    late = next(device for device in world.wave(id, 1) if device not in present)

    world.install(late, Outcome.ROLLED_BACK, "golden")

    assert world.tick(id, 2) == "roll_back"


def test_a_device_that_goes_back_by_itself_hours_later_halts_the_rollout_and_is_offered_nothing_more(world, lanes):
    id = world.start("digits/1", waves=(1, 8)).id
    world.tick(id, 1)
    (canary,) = world.wave(id, 1)
    install = world.install(canary)
    assert world.tick(id, 1) == "advance"
    world.tick(id, 2)
    world.clock.now += 6 * 3600.0

    world.report(world.result(install, Outcome.ROLLED_BACK, "it crashed 3 times within a day"), canary)

    assert world.check_in(canary) == ((), ())
    assert world.tick(id, 2) == "roll_back"
    assert world.rollouts.rollout(id).state is RolloutState.HALTED
    assert world.check_in(canary) == ((), ())
    (deployment,) = [one for one in world.rollouts.rollout(id).deployments if one.device == canary]
    assert (deployment.state, deployment.reason) == ("rolled_back", "it crashed 3 times within a day")


def test_what_no_database_takes_is_no_part_of_a_devices_reason(world, lanes):
    id = world.start("digits/1", waves=(1, 8)).id
    world.tick(id, 1)
    (canary,) = world.wave(id, 1)
    install = world.check_in(canary)[0][0]

    assert world.report(world.result(install, Outcome.FAILED, "no\0 room"), canary)
    assert not world.report(msgspec.structs.replace(world.result(install), id="r\0"), canary)

    (deployment,) = [one for one in world.rollouts.rollout(id).deployments if one.device == canary]
    assert (deployment.state, deployment.reason) == ("failed", "no room")


def test_a_paused_rollout_makes_no_new_offers_and_goes_on_where_it_was(world, lanes, operator):
    id = world.start("digits/1", waves=(2, 8)).id
    world.tick(id, 1)
    first, second = world.wave(id, 1)
    world.check_in(first)

    paused = world.rollouts.pause(operator, id, "inventory")

    assert (paused.state, paused.reason) == (RolloutState.PAUSED, "inventory")
    assert world.check_in(first)[0]
    assert not world.check_in(second)[0]
    assert world.tick(id, 1) == "ended"
    world.rollouts.resume(operator, id, "done")
    assert world.tick(id, 1, attempt=1) == "ended"
    world.install(first)
    world.install(second)
    assert world.tick(id, 1, attempt=2) == "advance"


def test_an_aborted_rollout_takes_back_what_it_gave_and_keeps_what_was_there(world, veterans, operator):
    id = world.start("digits/2", waves=(2, 8)).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    first = world.wave(id, 1)[0]
    world.install(first)

    world.rollouts.abort(operator, id, "wrong site")

    _, (rollback,) = world.check_in(first)
    assert rollback.counter == 2
    world.report(world.result(rollback, Outcome.ROLLED_BACK), first)
    assert states(world, id) == ["withdrawn"] * 8
    assert world.shelf.release("digits", 2).state is ReleaseState.READY
    with pytest.raises(RolloutMovedOn):
        world.rollouts.resume(operator, id, "")
    world.run(first, "digits", 1)
    world.check_in(first)
    again = world.start("digits/2", waves=(8,))
    assert again.id == "digits-2-r2"
    world.rollouts.waves.end_deltas(again.id)
    world.tick(again.id, 1)
    world.tick(again.id, 1)
    offers = {device: world.install(device) for device in world.wave(again.id, 1)}
    assert {device: offer.is_reoffer for device, offer in offers.items()} == {
        device: device == first for device in offers
    }


def test_a_run_that_fails_pauses_its_rollout_and_says_so(world, lanes):
    id = world.start("digits/1").id
    world.jobs.note(f"{id}-wave-1", state="failed", ended=True)

    world.events.deliver()

    record = world.rollouts.rollout(id)
    assert record.state is RolloutState.PAUSED
    assert f"{id}-wave-1" in record.reason


def test_a_release_found_bad_by_others_is_taken_back_everywhere(world, veterans):
    with world.db.write() as connection:
        world.events.record(connection, "packaging.release_bad", "digits/1", reason="biased")

    world.events.deliver()

    assert world.check_in(veterans[0])[1][0].reason == "biased"


def test_the_first_wave_waits_for_deltas_from_what_the_devices_hold(world, veterans):
    id = world.start("digits/2").id
    assert world.tick(id, 1) == "hold"
    assert not any(world.check_in(device)[0] for device in veterans)

    world.rollouts.waves.end_deltas(id)

    pair = (world.shelf.package("digits", 1), world.shelf.package("digits", 2))
    assert world.shelf.runs == {f"{id}-deltas": {pair: 8}}
    world.tick(id, 1)
    assert world.rollouts.rollout(id).waves[0].state == "running"


def test_the_first_wave_waits_for_deltas_only_so_long(world, veterans):
    id = world.start("digits/2").id
    world.clock.now += 301.0

    world.tick(id, 1)

    assert world.rollouts.rollout(id).waves[0].state == "running"


def test_a_challenger_that_labelled_data_prefer_gets_a_lower_bar(world, lanes):
    world.expected["digits", 1] = 0.7
    id = world.start("digits/1").id
    world.tick(id, 1)

    (install,), _ = world.check_in(world.wave(id, 1)[0])

    assert install.shadow.min_agreement == pytest.approx(0.406, abs=0.001)


def test_a_release_that_fails_in_one_group_is_taken_from_every_other(world, veterans, operator):
    newcomers = world.enrol(2, site="new")
    world.fleet.create_group(operator, GroupDraft(name="new", selector="site=new"))
    id = world.rollouts.start(operator, RolloutDraft(release="digits/1", group="new", waves=(1, 2))).id
    world.tick(id, 1)
    canary = world.wave(id, 1)[0]
    world.install(canary, Outcome.ROLLED_BACK, "golden")
    world.tick(id, 1)

    assert all(world.check_in(device)[1] for device in veterans)
    assert all(world.check_in(device) == ((), ()) for device in newcomers)
    with world.db.read() as connection:
        reached = sa.select(sa.func.count()).where(table.deployment.c.state == "committed")
        assert connection.scalar(reached) == 0
