"""What people and the hub do to devices: states, labels, the clone alarm, what a machine tells, histories, pages."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import DeviceState, GroupDraft, LabelEdit
from edgewright.contract.errors import HostileInput, InvalidInput, NotFound
from edgewright.contract.report import CheckIn
from edgewright.hub.fleet.devices.lives import LATE_S
from edgewright.hub.fleet.devices.states import NEXT, DeviceMovedOn, Step, next_state
from edgewright.hub.fleet.model import (
    DeviceQuarantined,
    DeviceRetired,
    DeviceRevoked,
    WaitingForApproval,
    check_admitted,
)
from edgewright.hub.fleet.presence.news import Told
from hub.fleet.conftest import MACHINE


@pytest.fixture
def id(enrolled):
    return enrolled(site="berlin", line="1")


@pytest.fixture
def hear(fleet, db, id, clock):
    """Has one check-in of a life heard that the hub's memory cannot judge."""

    def act(life, turn, last_turn=0):
        with db.write() as connection:
            return fleet.hear(connection, id, life, turn, last_turn, clock.now)

    return act


def cloned(hear, clock):
    hear("a", 1)
    clock.now += 1.0
    hear("b", 1)
    clock.now += LATE_S + 1.0
    for turn in range(2, 9):
        hear("a", turn)
        hear("b", turn)


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("state", DeviceState)
def test_each_step_leads_from_some_states_to_one_and_from_others_nowhere(step, state):
    origins, goal = NEXT[step]

    if state in (*origins, goal):
        assert next_state("dev-1", state, step) is goal
    else:
        with pytest.raises(DeviceMovedOn):
            next_state("dev-1", state, step)


@pytest.mark.parametrize(
    ("state", "error", "is_later"),
    [
        ("waiting", WaitingForApproval, True),
        ("quarantined", DeviceQuarantined, True),
        ("retired", DeviceRetired, False),
        ("revoked", DeviceRevoked, False),
    ],
)
def test_a_device_that_is_not_active_is_told_why_and_when_to_come_again(state, error, is_later):
    with pytest.raises(error) as caught:
        check_admitted("dev-1", state)

    assert caught.value.http_status == 403
    assert bool(caught.value.retry_after_s) is is_later
    check_admitted("dev-1", "active")


def test_a_retired_device_is_out_and_only_revoking_follows(fleet, operator, id):
    assert fleet.retire(operator, id, "the store has closed", dry_run=True).state is DeviceState.ACTIVE

    record = fleet.retire(operator, id, "the store has closed")

    assert (record.state, record.state_reason, record.is_revoked) == ("retired", "the store has closed", False)
    with pytest.raises(DeviceMovedOn):
        fleet.release(operator, id)
    assert fleet.revoke(operator, id).is_revoked
    assert fleet.revoke(operator, id).is_revoked


def test_a_reason_of_endless_length_is_cut(fleet, operator, id):
    assert len(fleet.retire(operator, id, "x" * 5000).state_reason) == 300


def test_a_key_in_two_places_is_quarantined_until_a_person_decides(fleet, operator, id, hear, clock, audit):
    cloned(hear, clock)

    record = fleet.device(id)
    assert record.state is DeviceState.QUARANTINED
    assert "in two places" in record.state_reason
    assert not hear("a", 99)
    assert "fleet.quarantined" in [entry.action for entry in audit.entries()]

    assert fleet.release(operator, id, "the copy is wiped").state is DeviceState.ACTIVE
    assert hear("a", 100)
    assert fleet.device(id).state is DeviceState.ACTIVE


def test_a_quarantined_device_keeps_its_place_in_groups(fleet, operator, id, hear, clock):
    fleet.create_group(operator, GroupDraft(name="all", selector="all"))

    cloned(hear, clock)

    assert fleet.members("all") == [id]
    assert [one.state for one in fleet.facts("all", ())] == [DeviceState.QUARANTINED]


def test_reboots_are_heard_and_kept_over_a_hubs_restart(hear, fleet, id, clock):
    for life in "abcdefgh":
        assert hear(life, 1)
        clock.now += 60.0
        assert hear(life, 40, last_turn=20)

    assert fleet.device(id).state is DeviceState.ACTIVE


def test_copies_of_a_running_machines_memory_are_found_though_the_life_is_the_same(fleet, db, id, clock):
    last = 0
    for tick in range(60):
        clock.now += 60.0
        turn = 100 + tick if tick < 40 or tick % 2 else 60 + tick
        (act,) = fleet.presence.news_of([Told(id, CheckIn(nonce="n", life="a", turn=turn), last)], clock.now)
        if act is not None:
            with db.write() as connection:
                act(connection)
        last = turn

    assert fleet.device(id).state is DeviceState.QUARANTINED
    assert "turns of one life" in fleet.device(id).state_reason


def test_labels_are_set_and_taken_off(fleet, operator, id, audit):
    edit = LabelEdit(set={"line": "2", "camera": "yes"}, remove=("site", "none"))
    assert fleet.label(operator, id, edit, dry_run=True).labels == {"line": "2", "camera": "yes"}
    assert fleet.device(id).labels == {"site": "berlin", "line": "1"}

    fleet.label(operator, id, edit)

    assert fleet.device(id).labels == {"line": "2", "camera": "yes"}
    assert audit.entries()[-1].action == "fleet.labelled"
    with pytest.raises(InvalidInput):
        fleet.label(operator, id, LabelEdit(set={"a b": "c"}))
    with pytest.raises(NotFound):
        fleet.label(operator, "dev-nobody", edit)


def test_what_a_machine_tells_is_written_where_it_changed(fleet, id, db, clock):
    machine = msgspec.structs.replace(
        MACHINE, accelerators=("cuda",), link_kind="wifi", time_zone="Europe/Oslo", disk_free_bytes=2**33 - 1000
    )

    with db.write() as connection:
        assert fleet.learn(connection, id, machine, clock.now)
        assert not fleet.learn(connection, id, machine, clock.now)

    record = fleet.device(id)
    assert (record.accelerators, record.link_kind, record.time_zone) == (("cuda",), "wifi", "Europe/Oslo")
    assert record.disk_free_bytes == 2**33
    with db.write() as connection, pytest.raises(HostileInput):
        fleet.learn(connection, id, msgspec.structs.replace(machine, time_zone="\x00"), clock.now)


def test_a_history_tells_what_happened_newest_first_page_by_page(fleet, operator, id, clock, db):
    for n in range(5):
        fleet.label(operator, id, LabelEdit(set={"n": str(n)}))
    clock.now += 1.0
    with db.write() as connection:
        fleet.learn(connection, id, msgspec.structs.replace(MACHINE, cores=8), clock.now)
    fleet.retire(operator, id, "old")

    pages, before = [], ""
    while page := fleet.history(id, before, 3):
        pages += page
        before = page[-1].id

    assert [entry.kind for entry in pages] == [
        "fleet.retired",
        "fleet.measured",
        *["fleet.labelled"] * 5,
        "fleet.enrolled",
    ]
    assert (pages[0].by, pages[0].what) == ("olga", "reason old")
    assert pages[1].what == "changed cores"
    assert pages[2].what == "set n=4"


@pytest.mark.parametrize(
    "before", ["x", "event-x@1", "event-1@then", "nothing-1@1.0", "event-9e9@1", "event-99999999999@1.0", "event-1@nan"]
)
def test_a_page_of_a_history_goes_on_from_an_entry_only(fleet, id, before):
    with pytest.raises(InvalidInput) as caught:
        fleet.history(id, before)

    assert caught.value.field == "before"


def test_devices_come_in_pages_by_name_and_none_is_left_out(fleet, operator, enrolled):
    ids = {enrolled(name=f"lane-{n % 3}", site="berlin" if n % 2 else "oslo"): n for n in range(9)}
    gone = next(iter(ids))
    fleet.revoke(operator, gone)
    fleet.create_group(operator, GroupDraft(name="oslo", selector="site=oslo"))

    def every(**wanted):
        found, after = [], ""
        while page := fleet.page(after=after, limit=2, **wanted):
            found += page
            after = page[-1].id
        return found

    assert [one.id for one in every()] == [one.id for one in fleet.devices()]
    assert {one.id for one in every(selector="site=oslo")} == {id for id, n in ids.items() if n % 2 == 0}
    assert {one.id for one in every(group="oslo")} == {id for id, n in ids.items() if n % 2 == 0} - {gone}
    assert [one.id for one in every(state=DeviceState.REVOKED)] == [gone]
    with pytest.raises(InvalidInput):
        fleet.page(limit=1001)
    with pytest.raises(InvalidInput):
        fleet.page(selector="a=b=c")
    with pytest.raises(NotFound):
        fleet.page(after="dev-nobody")
