"""Check-ins: what changed is saved at once, heartbeats a little later."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from edgewright.contract.api import GroupDraft
from edgewright.contract.errors import Busy, HostileInput, InvalidInput, NotFound
from edgewright.contract.report import CheckIn, Deferral, ModelState
from edgewright.hub.events import Events
from edgewright.hub.fleet import Desired, Fleet
from edgewright.hub.fleet.groups import GroupExists
from edgewright.hub.fleet.presence.heartbeats import SAVE_EVERY_S, Heartbeats

RUNNING = ModelState(
    model="digits", version=3, counter=2, manifest_sha256="ab" * 32, step="idle", held_manifests=("cd" * 32,)
)


@pytest.fixture
def id(device, claim):
    return device.enrol(claim).device


@pytest.fixture
def reborn(db, audit, clock):
    """The fleet as a hub sees it that was killed and started again."""
    return lambda: Fleet(db, Events(db, clock), audit, clock, lambda: b"", random.Random(9).randbytes)


@pytest.fixture
def writes(db):
    """Statements that change the database, as they are executed."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        if not statement.startswith(("SELECT", "BEGIN", "PRAGMA")):
            seen.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    return seen


def test_a_check_in_is_seen_in_the_devices_record(fleet, id, clock):
    fleet.check_in(id, CheckIn(nonce="n", models=(RUNNING,), backlog=4))

    record = fleet.device(id)
    assert (record.last_seen_at, record.backlog) == (clock.now, 4)
    assert [(model.model, model.version, model.counter) for model in record.models] == [("digits", 3, 2)]
    assert fleet.states([id]) == {id: (RUNNING,)}


def test_states_survive_a_killed_hub(fleet, id, reborn):
    fleet.check_in(id, CheckIn(nonce="n", models=(RUNNING,)))

    assert reborn().states([id]) == {id: (RUNNING,)}


def test_check_ins_that_change_nothing_write_nothing_for_some_seconds(fleet, id, clock, writes, reborn):
    fleet.check_in(id, CheckIn(nonce="n", models=(RUNNING,)))
    writes.clear()
    for _ in range(SAVE_EVERY_S - 1):
        clock.now += 1.0
        fleet.check_in(id, CheckIn(nonce="n", models=(RUNNING,)))
    assert writes == []

    clock.now += 1.0
    fleet.check_in(id, CheckIn(nonce="n", models=(RUNNING,)))

    assert len(writes) == 1
    assert reborn().seen([id])[id].at == clock.now


def test_what_a_device_is_told_anew_of_its_check_ins_is_saved_at_once(fleet, id, clock, reborn):
    heartbeats, row = fleet.presence.heartbeats, fleet.presence.memory.row(id)
    fleet.check_in(id, CheckIn(nonce="n"))
    clock.now += 6.0

    heartbeats.tell(row, 240.0)
    fleet.check_in(id, CheckIn(nonce="n"))

    saved = reborn().seen([id])[id]
    assert (saved.at, saved.poll_s) == (clock.now, 240.0)


def test_what_an_earlier_process_told_a_device_is_forgotten_with_its_next_check_in(fleet, id, clock, reborn):
    heartbeats, row = fleet.presence.heartbeats, fleet.presence.memory.row(id)
    heartbeats.tell(row, 240.0)
    fleet.check_in(id, CheckIn(nonce="n"))
    fleet.flush()
    later = reborn()
    clock.now += 60.0

    later.check_in(id, CheckIn(nonce="n"))  # it is told nothing now
    later.flush()

    assert reborn().seen([id])[id].poll_s is None


def test_hubs_that_share_a_database_save_what_each_told_last(db, fleet, id, clock, reborn):
    if not db.is_shared:
        pytest.skip("one hub alone writes to a file")
    other = reborn()
    for hub, poll_s in ((fleet, 240.0), (other, 30.0), (fleet, 240.0)):
        hub.presence.heartbeats.tell(hub.presence.memory.row(id), poll_s)
        hub.check_in(id, CheckIn(nonce="n"))
        hub.flush()
        clock.now += 60.0

    assert reborn().seen([id])[id].poll_s == 240.0


def test_a_heartbeat_in_memory_brings_what_was_told_with_it(fleet, id, clock, reborn):
    heartbeats, row = fleet.presence.heartbeats, fleet.presence.memory.row(id)
    heartbeats.tell(row, 240.0)
    fleet.check_in(id, CheckIn(nonce="n"))
    fleet.flush()
    other = reborn()
    clock.now += 1.0

    other.presence.heartbeats.tell(other.presence.memory.row(id), 30.0)
    other.check_in(id, CheckIn(nonce="n"))

    assert (other.seen([id])[id].poll_s, fleet.seen([id])[id].poll_s) == (30.0, 30.0)
    assert other.lanes.of([id])[id].seen == other.lanes.present([id])[id].seen
    assert other.lanes.of([id])[id].seen.poll_s == 30.0


def test_past_their_bound_heartbeats_are_refused_until_the_database_takes_them(db, fleet, clock):
    memory = fleet.presence.memory
    one, other = memory.row("dev-1"), memory.row("dev-2")
    heartbeats = Heartbeats(db, memory, max_waiting=1)
    heartbeats.note(one, 0, clock.now)

    with pytest.raises(Busy) as refusal:
        heartbeats.note(other, 0, clock.now)
    heartbeats.flush()
    heartbeats.note(other, 0, clock.now)

    assert refusal.value.retry_after_s > 0


def test_flush_saves_the_heartbeats_in_memory(fleet, id, clock, reborn):
    fleet.check_in(id, CheckIn(nonce="n"))
    clock.now += 1.0
    fleet.check_in(id, CheckIn(nonce="n", backlog=9))

    fleet.flush()

    assert reborn().seen([id])[id].at == clock.now
    assert reborn().device(id).backlog == 9


def test_a_model_that_is_gone_from_a_device_is_gone_from_its_record(fleet, id):
    fleet.check_in(id, CheckIn(nonce="n", models=(RUNNING,)))

    fleet.check_in(id, CheckIn(nonce="n"))

    assert fleet.device(id).models == ()


def test_a_record_shows_what_is_wanted_beside_what_runs(fleet, id):
    fleet.check_in(id, CheckIn(nonce="n", models=(RUNNING,)))

    desired = {id: {"digits": Desired(4, (3,)), "wine": Desired(1)}}

    digits, wine = fleet.devices(desired)[0].models
    assert (digits.counter, digits.desired_counter, digits.bad_counters) == (2, 4, (3,))
    assert (wine.model, wine.counter, wine.desired_counter) == ("wine", 0, 1)


@pytest.mark.parametrize(
    "check_in",
    [
        CheckIn(nonce="n", backlog=-1),
        CheckIn(nonce="n", life="l" * 101, turn=1),
        CheckIn(nonce="n", life="l\0", turn=1),
        CheckIn(nonce="n", life="l", turn=-1),
        CheckIn(nonce="n", life="l", turn=2**63),
        CheckIn(nonce="n", deferrals=(Deferral(deployment="d", reason="busy", since=1.0),) * 65),
        CheckIn(nonce="n", deferrals=(Deferral(deployment="d", reason="\x1b[31m", since=1.0),)),
        CheckIn(nonce="n", models=(RUNNING,) * 65),
        CheckIn(
            nonce="n", models=(ModelState(model="m" * 101, version=1, counter=1, manifest_sha256="", step="idle"),)
        ),
        CheckIn(nonce="n", models=(ModelState(model="m", version=1, counter=-1, manifest_sha256="", step="idle"),)),
    ],
)
def test_implausible_check_ins_are_hostile_and_leave_nothing(fleet, id, check_in):
    with pytest.raises(HostileInput):
        fleet.check_in(id, check_in)

    assert fleet.device(id).last_seen_at is None


def test_a_group_by_selector_takes_in_devices_by_their_labels(fleet, id, operator):
    berlin = fleet.create_group(operator, GroupDraft(name="berlin", selector="site=berlin"))
    fleet.create_group(operator, GroupDraft(name="paris", selector="site=paris"))

    assert (berlin.devices, berlin.count) == ((id,), 1)
    assert fleet.members("paris") == []
    assert [group.name for group in fleet.groups()] == ["berlin", "paris"]


def test_revoked_devices_are_in_no_group(fleet, id, operator):
    fleet.create_group(operator, GroupDraft(name="lanes", devices=(id,)))

    fleet.revoke(operator, id)

    assert fleet.members("lanes") == []


def test_a_group_names_devices_that_exist_and_is_made_once(fleet, id, operator):
    with pytest.raises(InvalidInput, match="dev-nobody") as caught:
        fleet.create_group(operator, GroupDraft(name="lanes", devices=(id, "dev-nobody")))
    assert caught.value.field == "devices"

    fleet.create_group(operator, GroupDraft(name="lanes", devices=(id,)), dry_run=True)
    fleet.create_group(operator, GroupDraft(name="lanes", devices=(id,)))
    with pytest.raises(GroupExists):
        fleet.create_group(operator, GroupDraft(name="lanes", devices=(id,)), dry_run=True)


def test_unknown_names_are_not_found_by_field(fleet):
    with pytest.raises(NotFound) as caught:
        fleet.members("nobody")
    assert caught.value.field == "group"

    with pytest.raises(NotFound) as caught:
        fleet.device("dev-nobody")
    assert caught.value.field == "device"
