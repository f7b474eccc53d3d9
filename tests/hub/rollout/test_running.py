"""Rollouts under way: leases, budgets over several rollouts, windows, soaks, promotion, emergencies, tallies."""

from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa

from edgewright.contract.api import (
    Budget,
    GateDraft,
    Role,
    RolloutDraft,
    RolloutState,
    ScheduleDraft,
    SiteCap,
    WaveDraft,
)
from edgewright.contract.report import Outcome
from edgewright.hub.fleet.table import device
from edgewright.hub.govern import Principal
from edgewright.hub.govern.model import Forbidden
from edgewright.hub.rollout import RolloutMovedOn, table
from edgewright.hub.rollout.running import NothingToPromote
from edgewright.hub.rollout.running.admission import LEASE_S

ADMIN = Principal(name="ada", roles=(Role.ADMIN,))
ONE_LANE = (Budget(per="site", max_unavailable=1),)


@pytest.fixture
def store(world):
    """Four lanes of one store, and the releases digits/1 and wine/1 ready."""
    world.group()
    world.shelf.put("digits", 1)
    world.shelf.put("wine", 1)
    return world.enrol(4, site="berlin")


def start(world, operator, release="digits/1", waves=(8,), **draft) -> str:
    return world.rollouts.start(operator, RolloutDraft(release=release, group="lanes", waves=waves, **draft)).id


def offered(world, lanes) -> list[str]:
    return [lane for lane in lanes if world.check_in(lane)[0]]


def hear(world, lanes) -> None:
    for lane in lanes:
        world.check_in(lane)


def counted(world, rollout: str) -> Counter[tuple[int, str]]:
    """How many deployments are in which wave and state, counted one by one."""
    of = table.deployment.c
    with world.db.read() as connection:
        return Counter(map(tuple, connection.execute(sa.select(of.wave, of.state).where(of.rollout == rollout))))


def tallied(world, rollout: str) -> Counter[tuple[int, str]]:
    of = table.tally.c
    with world.db.read() as connection:
        rows = connection.execute(sa.select(of.wave, of.state, of.count).where(of.rollout == rollout))
        return Counter({(row.wave, row.state): row[2] for row in rows if row[2]})


def test_one_lane_after_another_takes_a_release_in_a_store_with_a_budget(world, store, operator):
    id = start(world, operator, budgets=ONE_LANE)
    world.tick(id, 1)
    served = []

    while lanes := offered(world, store):
        assert len(lanes) == 1
        served += lanes
        world.install(lanes[0])
        world.tick(id, 1)

    assert sorted(served) == sorted(store)
    assert world.rollouts.rollout(id).state is RolloutState.DONE


def test_a_budget_holds_for_all_rollouts_of_a_store_together(world, store, operator):
    first = start(world, operator, budgets=ONE_LANE)
    second = start(world, operator, "wine/1", budgets=ONE_LANE)
    served = 0

    for _ in range(20):
        world.tick(first, 1)
        world.tick(second, 1)
        lanes = offered(world, store)
        assert len(lanes) <= 1
        if lanes:
            served += world.install(lanes[0]) is not None

    assert served == 8
    assert world.rollouts.rollout(first).state is world.rollouts.rollout(second).state is RolloutState.DONE


def test_the_line_of_a_store_is_shared_by_all_rollouts_once_one_has_capped_it(world, store, operator, clock):
    capped = start(world, operator, caps=(SiteCap(per="site", bytes_s=0.05),))  # 4 bytes each: 80 s
    world.tick(capped, 1)
    wine = start(world, operator, release="wine/1")

    world.tick(wine, 1)

    assert counted(world, capped) == {(1, "admitted"): 1, (1, "pending"): 3}
    assert counted(world, wine) == {(1, "pending"): 4}
    reasons = {one.reason for one in world.rollouts.rollout(wine).deployments}
    assert reasons == {"the line of site=berlin is taken"}
    clock.now += 30
    hear(world, store)
    world.tick(wine, 1)
    assert counted(world, wine) == {(1, "admitted"): 1, (1, "pending"): 3}
    world.tick(capped, 1)
    assert counted(world, capped)[1, "pending"] == 3


def test_a_line_is_free_again_once_nobody_caps_it(world, store, operator, clock):
    capped = start(world, operator, caps=(SiteCap(per="site", bytes_s=0.01),))
    world.tick(capped, 1)
    wine = start(world, operator, release="wine/1")
    world.rollouts.abort(operator, capped, "")

    world.tick(wine, 1)

    assert counted(world, wine) == {(1, "admitted"): 4}


def test_what_was_under_way_before_a_budget_was_made_counts_for_it(world, store, operator):
    plain = start(world, operator)
    world.tick(plain, 1)
    assert len(offered(world, store)) == 4

    bounded = start(world, operator, "wine/1", budgets=ONE_LANE)
    world.tick(bounded, 1)

    assert tallied(world, bounded) == {(1, "pending"): 4}


def test_a_lease_that_ends_unheard_gives_its_place_to_another_lane(world, store, operator):
    id = start(world, operator, budgets=ONE_LANE)
    world.tick(id, 1)
    (cut_off,) = offered(world, store)
    others = [lane for lane in store if lane != cut_off]

    world.clock.now += LEASE_S + 1
    hear(world, others)
    world.tick(id, 1)

    assert tallied(world, id) == {(1, "pending"): 4}
    world.clock.now += 600
    hear(world, others)
    world.tick(id, 1)
    assert tallied(world, id) == {(1, "pending"): 4}  # a lane that is away is a lane that is down
    world.check_in(cut_off)
    assert len(offered(world, store)) == 1


def test_a_device_that_is_at_it_keeps_its_place_when_its_rollout_ends_until_it_has_answered(world, store, operator):
    first = start(world, operator, budgets=ONE_LANE)
    world.tick(first, 1)
    (busy,) = offered(world, store)
    (install,), _ = world.check_in(busy)
    second = start(world, operator, "wine/1", budgets=ONE_LANE)
    others = [lane for lane in store if lane != busy]

    world.rollouts.abort(operator, first, "wrong week")
    world.clock.now += 60
    world.tick(second, 1)
    while_it_tries_on = offered(world, others)
    world.report(world.result(install, Outcome.ROLLED_BACK), busy)
    world.tick(second, 1)

    assert while_it_tries_on == []
    assert tallied(world, second) == {(1, "pending"): 3, (1, "admitted"): 1}


def test_a_place_is_kept_for_a_device_whose_rollout_has_ended_no_longer_than_its_lease(world, store, operator):
    first = start(world, operator, budgets=ONE_LANE)
    world.tick(first, 1)
    assert len(offered(world, store)) == 1
    world.rollouts.abort(operator, first, "wrong week")
    second = start(world, operator, "wine/1", budgets=ONE_LANE)

    world.clock.now += LEASE_S + 1
    hear(world, store)
    world.tick(second, 1)

    mine = sa.select(table.deployment.c.number).where(table.deployment.c.rollout == first)
    with world.db.read() as connection:
        kept = connection.scalars(sa.select(table.site_lease.c.site).where(table.site_lease.c.deployment.in_(mine)))
        assert kept.all() == []
    assert len(offered(world, store)) == 1


def test_a_device_that_is_heard_keeps_its_lease(world, store, operator):
    id = start(world, operator, budgets=ONE_LANE)
    world.tick(id, 1)
    (lane,) = offered(world, store)
    orders = world.rollouts.orders_for(lane, (), world.pace)
    assert orders.valid_until == pytest.approx(world.clock() + LEASE_S / 2, abs=1)

    for _ in range(5):
        world.clock.now += 0.6 * LEASE_S
        hear(world, store)
        world.tick(id, 1)

    assert offered(world, store) == [lane]
    (install,) = world.rollouts.orders_for(lane, (), world.pace).installs
    assert install.lease_until == pytest.approx(world.clock() + LEASE_S, abs=1)


def test_a_device_that_comes_back_after_its_rollout_is_served_when_it_is_heard(world, store, operator):
    world.clock.now += 100.0
    hear(world, store[1:])
    id = start(world, operator, budgets=(Budget(per="site", max_unavailable=2),), gate=GateDraft(min_reported=0.5))
    for _ in range(6):
        world.tick(id, 1)
        for lane in offered(world, store[1:]):
            world.install(lane)
    assert world.rollouts.rollout(id).state is RolloutState.DONE

    assert world.install(store[0]) is not None

    assert tallied(world, id) == counted(world, id) == {(1, "committed"): 4}


def test_nobody_is_admitted_outside_of_its_window_and_the_order_says_it(world, store, operator):
    world.clock.now = 1_800_014_400.0  # 2027-01-15 12:00 UTC
    hear(world, store)
    id = start(world, operator, schedule=ScheduleDraft(windows=("22:00-05:00",), max_defer_s=3600.0))

    looked = world.rollouts.waves.tick(id, 1, 1)

    assert (looked.action, looked.wait_s) == ("hold", 600.0)
    assert offered(world, store) == []
    world.clock.now += 10 * 3600
    hear(world, store)
    world.tick(id, 1)
    install = world.check_in(store[0])[0][0]
    assert install.windows == ("22:00-05:00",)
    assert install.begin_by == world.clock() + 3600


def test_a_wave_looks_again_soon_while_somebody_is_at_it(world, store, operator):
    id = start(world, operator, budgets=ONE_LANE)

    waits = [world.rollouts.waves.tick(id, 1, 1).wait_s for _ in range(2)]

    assert waits == [2.0, 2.0]


def test_a_rollout_waits_for_its_start(world, store, operator):
    id = start(world, operator, schedule=ScheduleDraft(start_at=world.clock() + 300))

    looked = world.rollouts.waves.tick(id, 1, 1)

    assert (looked.reason, looked.wait_s) == ("waits for its start", 300)
    world.clock.now += 300
    hear(world, store)
    world.tick(id, 1)
    assert len(offered(world, store)) == 4


def test_a_wave_soaks_before_the_next_begins_and_a_failure_meanwhile_stops_it(world, store, operator):
    id = start(world, operator, waves=(WaveDraft(count=1, soak_s=3600.0), WaveDraft(count=4)))
    world.tick(id, 1)
    (canary,) = world.wave(id, 1)
    install = world.install(canary)

    looked = world.rollouts.waves.tick(id, 1, 1)

    assert (looked.action, looked.wait_s) == ("hold", 60.0)
    assert "soaks" in looked.reason
    world.clock.now += 1800
    world.report(world.result(install, Outcome.ROLLED_BACK, "it crashed"), canary)
    assert world.tick(id, 1) == "roll_back"


def test_a_wave_ends_when_its_soak_has_passed(world, store, operator):
    id = start(world, operator, waves=(WaveDraft(count=1, soak_s=3600.0), WaveDraft(count=4)))
    world.tick(id, 1)
    world.install(world.wave(id, 1)[0])
    world.tick(id, 1)

    world.clock.now += 3600

    assert world.tick(id, 1) == "advance"


def test_a_person_lets_the_next_wave_begin(world, store, operator):
    id = start(world, operator, waves=(WaveDraft(count=1, needs_promotion=True), WaveDraft(count=4)))
    world.tick(id, 1)
    world.install(world.wave(id, 1)[0])
    assert world.tick(id, 1) == "hold"
    assert world.rollouts.rollout(id).waves[0].state == "waiting"
    assert world.tick(id, 1) == "hold"

    record = world.rollouts.promote(operator, id, "looks well")

    assert (record.waves[0].state, record.waves[0].reason) == ("passed", "promoted by olga: looks well")
    assert world.tick(id, 1) == "ended"
    assert world.tick(id, 2) == "hold"


def test_what_has_not_begun_or_is_paused_is_not_promoted(world, store, operator):
    id = start(world, operator)

    with pytest.raises(NothingToPromote):
        world.rollouts.promote(operator, id, "")

    world.rollouts.pause(operator, id, "")
    with pytest.raises(RolloutMovedOn):
        world.rollouts.promote(operator, id, "")


def test_an_emergency_takes_the_permission_and_passes_over_what_keeps_others(world, store, operator):
    never = ScheduleDraft(start_at=world.clock() + 9e5)
    draft = RolloutDraft(
        release="digits/1",
        group="lanes",
        waves=(WaveDraft(count=1, soak_s=9e5), WaveDraft(count=4)),
        budgets=ONE_LANE,
        schedule=never,
        emergency="CVE-2027-1",
    )
    with pytest.raises(Forbidden):
        world.rollouts.start(operator, draft)

    id = world.rollouts.start(ADMIN, draft).id
    world.tick(id, 1)

    assert offered(world, store) == store
    record = world.rollouts.rollout(id)
    assert (record.emergency, [wave.size for wave in record.waves]) == ("CVE-2027-1", [4])
    world.install(store[0], Outcome.FAILED, "no memory")
    assert world.tick(id, 1) == "roll_back"


def test_tallies_are_what_counting_finds_whatever_happens(world, store, operator):
    id = start(world, operator, waves=(2, 4), gate=GateDraft(max_failed=4, min_reported=0.01))
    seen = []
    world.tick(id, 1)
    seen.append((tallied(world, id), counted(world, id)))
    world.install(world.wave(id, 1)[0], Outcome.FAILED)
    world.install(world.wave(id, 1)[1])
    seen.append((tallied(world, id), counted(world, id)))
    world.tick(id, 1)
    world.tick(id, 2)
    world.check_in(world.wave(id, 2)[0])
    world.clock.now += LEASE_S + 1
    world.tick(id, 2)
    seen.append((tallied(world, id), counted(world, id)))
    world.rollouts.abort(operator, id, "enough")
    seen.append((tallied(world, id), counted(world, id)))

    assert all(tally == count for tally, count in seen)
    with world.db.read() as connection:
        assert connection.execute(sa.select(table.site_lease)).all() == []


def test_deployments_come_in_pages_by_state_and_wave(world, store, operator):
    id = start(world, operator, waves=(1, 4))

    first = world.rollouts.deployments(id, limit=3)
    rest = world.rollouts.deployments(id, limit=3, after=first.after)

    assert (len(first.deployments), len(rest.deployments), rest.after) == (3, 1, "")
    assert len({one.device for one in (*first.deployments, *rest.deployments)}) == 4
    assert len(world.rollouts.deployments(id, wave=1).deployments) == 1
    assert world.rollouts.deployments(id, state="failed").deployments == ()


def test_a_deployment_of_one_device_supersedes_what_it_was_to_get(world, store, operator, manifest_of):
    id = start(world, operator)
    release = world.shelf.release("digits", 1)
    _, fits = world.rollouts.planner.packages("digits", 1)
    offer = fits.choose_for(world.fleet.device(store[0]))

    with world.db.write() as connection:
        own = world.rollouts.deploy_one(connection, operator, release, store[0], offer, "forced by olga")
    world.tick(own, 1)

    assert offered(world, store) == [store[0]]
    assert tallied(world, id)[1, "withdrawn"] == 1
    assert world.rollouts.rollout(own).emergency == "forced by olga"


def test_a_quarantined_lane_uses_up_its_stores_budget(world, store, operator):
    id = start(world, operator, budgets=ONE_LANE)
    with world.db.write() as connection:
        connection.execute(sa.update(device).where(device.c.id == store[3]).values(state="quarantined"))

    world.tick(id, 1)

    assert offered(world, store) == []


def test_each_store_has_a_budget_of_its_own(world, store, operator):
    world.enrol(2, site="paris")
    id = start(world, operator, budgets=ONE_LANE)

    world.tick(id, 1)

    assert len(offered(world, world.devices)) == 2
