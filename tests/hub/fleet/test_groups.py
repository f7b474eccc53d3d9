"""Groups: made, changed and removed; counted without reading the fleet; with a reason for each device."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.contract.api import GroupDraft, GroupEdit, LabelEdit
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.report import CheckIn, ModelState
from edgewright.hub.fleet.groups.counting import SETTLED_S
from hub.fleet.conftest import MACHINE

SMALL = msgspec.structs.replace(MACHINE, ram_bytes=10**9)


@pytest.fixture
def reads(db):
    """Devices' rows that are read of the table."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        if statement.startswith("SELECT device.id, device.name"):
            seen.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    return seen


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (GroupDraft(name="Line 1", selector="all"), "name"),
        (GroupDraft(name="lanes"), "selector"),
        (GroupDraft(name="lanes", selector="all", devices=("dev-1",)), "selector"),
        (GroupDraft(name="lanes", selector="ram_mb>=lots"), "selector"),
        (GroupDraft(name="lanes", selector="all", poll_s=0.5), "poll_s"),
        (GroupDraft(name="lanes", selector="all", poll_s=float("nan")), "poll_s"),
        (GroupDraft(name="lanes", devices=("dev-nobody",)), "devices"),
    ],
)
def test_group_drafts_that_cannot_be_are_refused_by_field(fleet, operator, draft, field):
    with pytest.raises(InvalidInput) as caught:
        fleet.create_group(operator, draft)

    assert caught.value.field == field
    assert fleet.groups() == []


def test_a_group_asks_for_what_was_measured(fleet, operator, enrolled):
    large, _small = enrolled(), enrolled(machine=SMALL)

    group = fleet.create_group(operator, GroupDraft(name="large", selector="ram_mb>=1073,runtime.onnxruntime>=1.20"))

    assert (group.devices, group.count) == ((large,), 1)


def test_a_group_asks_for_what_serves(fleet, operator, enrolled):
    id, _other = enrolled(), enrolled()
    fleet.create_group(operator, GroupDraft(name="new", selector="model.digits>=3"))
    state = ModelState(model="digits", version=4, counter=3, manifest_sha256="ab", step="idle")

    fleet.check_in(id, CheckIn(nonce="n", models=(state,)))

    assert fleet.members("new") == [id]


def test_a_group_is_changed_and_removed(fleet, operator, enrolled):
    berlin, oslo = enrolled(site="berlin"), enrolled(site="oslo")
    fleet.create_group(operator, GroupDraft(name="site", selector="site=berlin"))

    fleet.edit_group(operator, "site", GroupEdit(selector="site=oslo"), dry_run=True)
    assert fleet.members("site") == [berlin]
    fleet.edit_group(operator, "site", GroupEdit(selector="site=oslo", poll_s=300.0))
    assert (fleet.members("site"), fleet.group("site").poll_s) == ([oslo], 300.0)
    fleet.edit_group(operator, "site", GroupEdit(devices=(berlin,), poll_s=0.0))
    assert (fleet.members("site"), fleet.group("site").selector, fleet.group("site").poll_s) == ([berlin], "", None)

    fleet.remove_group(operator, "site", dry_run=True)
    assert fleet.remove_group(operator, "site").devices == (berlin,)
    with pytest.raises(NotFound):
        fleet.group("site")


def test_counts_follow_what_happens_and_read_only_devices_that_changed(fleet, operator, enrolled, clock, reads):
    ids = [enrolled(site="berlin") for _ in range(3)]
    fleet.create_group(operator, GroupDraft(name="berlin", selector="site=berlin"))
    fleet.create_group(operator, GroupDraft(name="listed", devices=(ids[0],)))
    clock.now += 2 * SETTLED_S
    enrolled(site="oslo")

    def counts():
        return {group.name: group.count for group in fleet.groups()}

    assert counts() == {"berlin": 3, "listed": 1}
    reads.clear()
    clock.now += 2 * SETTLED_S
    counts()
    assert all("changed_at >" in statement for statement in reads)

    fleet.label(operator, ids[1], LabelEdit(set={"site": "oslo"}))
    fleet.revoke(operator, ids[0])
    assert counts() == {"berlin": 1, "listed": 0}
    enrolled(site="berlin")
    assert counts() == {"berlin": 2, "listed": 0}
    fleet.remove_group(operator, "berlin")
    assert counts() == {"listed": 0}


def test_why_a_device_is_in_a_group_or_not(fleet, operator, enrolled):
    id, other = enrolled(site="berlin"), enrolled()
    fleet.create_group(operator, GroupDraft(name="g", selector="site=berlin,ram_mb>=2048,camera"))
    fleet.create_group(operator, GroupDraft(name="listed", devices=(other,)))
    fleet.create_group(operator, GroupDraft(name="all", selector="all"))

    found = fleet.why("g", id)
    assert (found.is_member, found.reason) == (False, "ram_mb>=2048 and camera do not hold")
    assert [(term.term, term.holds, term.found) for term in found.terms] == [
        ("site=berlin", True, "berlin"),
        ("ram_mb>=2048", False, "1073.74"),
        ("camera", False, "nothing"),
    ]
    assert fleet.why("listed", id).reason == "the group is a list, and does not name it"
    assert fleet.why("listed", other).is_member
    assert fleet.why("all", id).is_member
    fleet.revoke(operator, id)
    assert fleet.why("all", id).reason == "it is revoked: such devices are in no group"
    with pytest.raises(NotFound):
        fleet.why("all", "dev-nobody")


def test_the_shortest_time_of_its_groups_says_how_often_a_device_checks_in(fleet, operator, enrolled):
    id, other = enrolled(site="berlin"), enrolled()
    assert fleet.poll_s(id) is None
    fleet.create_group(operator, GroupDraft(name="all", selector="all", poll_s=600.0))
    fleet.create_group(operator, GroupDraft(name="berlin", selector="site=berlin", poll_s=60.0))

    assert (fleet.poll_s(id), fleet.poll_s(other)) == (60.0, 600.0)

    fleet.remove_group(operator, "berlin")
    assert fleet.poll_s(id) == 600.0


def test_changes_of_groups_are_told_with_the_group_in_them(fleet, operator, db):
    fleet.create_group(operator, GroupDraft(name="g", selector="all"))
    fleet.edit_group(operator, "g", GroupEdit(poll_s=60.0))
    fleet.remove_group(operator, "g")

    with db.read() as connection:
        rows = connection.execute(sa.text("SELECT kind, subject FROM event WHERE subject = 'g' ORDER BY number"))
        told = [tuple(row) for row in rows]
    assert told == [("fleet.grouped", "g"), ("fleet.group_changed", "g"), ("fleet.group_removed", "g")]
