"""What the dashboard reads of a large fleet and of many rollouts: counts of all, and few of them whole."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.fleet import table as fleet
from edgewright.hub.rollout import table as rollout
from edgewright.hub.web.observation import DEVICES_SHOWN, ROLLOUTS_SHOWN, overview_of
from edgewright.hub.web.views import Glance
from scenes.dashboard import NOW, add_device


def add_devices(hub, count):
    with hub.db.write() as connection:
        return [add_device(connection, f"lane-{number:03}") for number in range(count)]


def add_rollouts(hub, states):
    shared = {"model": "m", "version": 1, "counter": 1, "release": "m/1", "group": "all", "reason": "", "gate": {}}
    shared |= {"deltas_due_at": 0.0, "created_at": NOW, "created_by": "ana"}
    with hub.db.write() as connection:
        for number, state in enumerate(states):
            connection.execute(sa.insert(rollout.rollout).values(id=f"m-1-r{number}", state=state, **shared))


def test_those_that_want_a_person_come_first_and_then_those_that_are_away(hub):
    ids = add_devices(hub, DEVICES_SHOWN + 20)
    with hub.db.write() as connection:
        of, heard = fleet.device.c, fleet.device_heard
        connection.execute(sa.update(heard).where(heard.c.device == ids[110]).values(last_seen_at=NOW - 9000))
        connection.execute(sa.update(fleet.device).where(of.id == ids[115]).values(state="waiting"))

    overview = overview_of(hub)

    assert [device.id for device in overview.devices[:3]] == [ids[115], ids[110], ids[0]]
    assert len(overview.devices) == DEVICES_SHOWN


def test_a_device_that_was_told_to_check_in_seldom_is_not_away_meanwhile(hub):
    ids = add_devices(hub, 3)
    with hub.db.write() as connection:
        for id, poll_s in ((ids[0], None), (ids[1], 3600.0), (ids[2], 600.0)):
            values = {"last_seen_at": NOW - 5000, "poll_s": poll_s}
            connection.execute(sa.update(fleet.device_heard).where(fleet.device_heard.c.device == id).values(**values))

    overview = overview_of(hub)

    assert overview.fleet.away == 2
    glance = Glance(overview, away_after_s=75.0)
    assert {device.id: glance.is_away(device) for device in overview.devices} == {
        ids[0]: True,
        ids[1]: False,
        ids[2]: True,
    }


def test_all_devices_are_counted_where_few_are_shown(hub):
    add_devices(hub, DEVICES_SHOWN + 20)

    counts = overview_of(hub).fleet

    assert (counts.devices, counts.states, counts.away) == (DEVICES_SHOWN + 20, {"active": DEVICES_SHOWN + 20}, 0)
    assert {(one.model, one.version): one.devices for one in counts.running} == {
        ("defects", 1): DEVICES_SHOWN + 17,
        ("defects", 3): 3,
        ("wine", 1): DEVICES_SHOWN + 20,
    }


def test_live_rollouts_are_shown_however_old_they_are(hub):
    add_rollouts(hub, ["paused", *["done"] * 200])

    overview = overview_of(hub)

    assert [one.id for one in overview.rollouts[:2]] == ["m-1-r200", "m-1-r199"]
    assert overview.rollouts[-1].id == "m-1-r0"
    assert len(overview.rollouts) <= ROLLOUTS_SHOWN
    assert overview.rollout_counts == {"paused": 1, "done": 200}
