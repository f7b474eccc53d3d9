"""Claims for a class and for many, approval of first contacts, and boards that take another's place."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import ClaimDraft, DeviceState, GroupDraft
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.hub.fleet.enrolment import AlreadyReplaced, WrongHardware
from edgewright.hub.fleet.enrolment.claims import check_claim_draft
from edgewright.hub.fleet.model import ClaimUsed, DeviceRevoked, WaitingForApproval
from hub.fleet.conftest import MACHINE, Handset

PI = msgspec.structs.replace(MACHINE, arch="aarch64", hardware_ids=("raspberrypi,4-model-b", "brcm,bcm2711"))


@pytest.fixture
def handset(fleet, clock):
    return lambda: Handset(fleet, clock)


@pytest.fixture
def token(fleet, operator):
    return lambda **draft: fleet.claim(operator, ClaimDraft(**draft)).tokens[0]


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (ClaimDraft(count=0), "count"),
        (ClaimDraft(count=100_000), "count"),
        (ClaimDraft(uses=0), "uses"),
        (ClaimDraft(uses=10**9), "uses"),
        (ClaimDraft(expires_in_s=0), "expires_in_s"),
        (ClaimDraft(expires_in_s=float("nan")), "expires_in_s"),
        (ClaimDraft(labels={"a,b": "c"}), "labels"),
        (ClaimDraft(labels={"a": "b=c"}), "labels"),
        (ClaimDraft(labels={str(n): "x" for n in range(33)}), "labels"),
        (ClaimDraft(hardware=("x\n",)), "hardware"),
        (ClaimDraft(replaces="dev-1", uses=2), "replaces"),
    ],
)
def test_claim_drafts_that_cannot_be_are_refused_by_field(draft, field):
    with pytest.raises(InvalidInput) as caught:
        check_claim_draft(draft)

    assert caught.value.field == field


def test_a_claim_enrols_as_many_devices_as_it_says(fleet, token, handset):
    claim = token(uses=3)
    first = handset()
    first.enrol(claim)
    first.enrol(claim)  # its reply got lost
    handset().enrol(claim)
    handset().enrol(claim)

    with pytest.raises(ClaimUsed, match="3 devices"):
        handset().enrol(claim)

    assert len(fleet.devices()) == 3


@pytest.mark.parametrize("hardware", ["aarch64", "raspberrypi,4-model-b", "brcm,bcm2711"])
def test_a_claim_for_a_class_enrols_boards_of_it_alone_and_others_do_not_use_it_up(token, handset, hardware):
    claim = token(hardware=("riscv64", hardware))

    with pytest.raises(WrongHardware, match="not for x86_64"):
        handset().enrol(claim)

    assert handset().enrol(claim, machine=PI).device


def test_a_device_waits_until_a_person_approves_it(fleet, operator, token, handset):
    board = handset()
    id = board.enrol(token(needs_approval=True)).device
    fleet.create_group(operator, GroupDraft(name="all", selector="all"))
    session = board.open_session(id).token

    with pytest.raises(WaitingForApproval):
        fleet.session(session)
    assert fleet.members("all") == []
    assert "waits for a person" in fleet.why("all", id).reason

    fleet.approve(operator, id)

    assert fleet.session(session) == id
    assert fleet.members("all") == [id]


def test_a_rejected_device_never_enrols_again(fleet, operator, token, handset):
    board, claim = handset(), token(needs_approval=True)
    id = board.enrol(claim).device

    assert fleet.reject(operator, id, "not one of ours").state is DeviceState.REVOKED

    with pytest.raises(DeviceRevoked):
        board.enrol(claim)


def test_a_new_board_takes_the_name_labels_and_groups_of_the_old_one(fleet, operator, enrolled, token, handset, audit):
    old, other = enrolled(name="lane-7", site="berlin"), enrolled()
    fleet.create_group(operator, GroupDraft(name="listed", devices=(old, other)))
    handed: list[tuple[str, str]] = []
    fleet.on_replaced(lambda _connection, gone, come: handed.append((gone, come)))

    reply = handset().enrol(token(replaces=old, labels={"site": "oslo", "spare": "yes"}), name="new board")

    new = fleet.device(reply.device)
    assert (new.name, new.labels, new.replaces) == ("lane-7", {"site": "berlin", "spare": "yes"}, old)
    assert reply.labels == new.labels
    assert (fleet.device(old).state, fleet.device(old).state_reason) == ("retired", f"replaced by {new.id}")
    assert fleet.members("listed") == sorted([new.id, other])
    assert handed == [(old, new.id)]
    assert [entry.action for entry in audit.entries()][-2:] == ["fleet.replaced", "fleet.took_over"]


def test_a_place_is_taken_once(fleet, operator, enrolled, token, handset):
    old = enrolled()
    first, second = token(replaces=old), token(replaces=old)
    new = handset().enrol(first).device

    with pytest.raises(AlreadyReplaced, match=new):
        handset().enrol(second)

    with pytest.raises(AlreadyReplaced):
        fleet.claim(operator, ClaimDraft(replaces=old), dry_run=True)
    assert fleet.claim(operator, ClaimDraft(replaces=new)).tokens
    with pytest.raises(NotFound):
        fleet.claim(operator, ClaimDraft(replaces="dev-nobody"))


def test_a_board_that_waits_takes_its_place_when_it_is_approved(fleet, operator, enrolled, token, handset):
    old = enrolled(site="berlin")
    stranger = handset().enrol(token(replaces=old, needs_approval=True)).device
    board = handset().enrol(token(replaces=old, needs_approval=True)).device
    assert fleet.device(old).state is DeviceState.ACTIVE

    fleet.reject(operator, stranger)
    fleet.approve(operator, board, dry_run=True)
    fleet.approve(operator, board)

    assert fleet.device(board).labels == {"site": "berlin"}
    assert fleet.device(old).state is DeviceState.RETIRED


def test_a_stolen_device_stays_revoked_when_it_is_replaced(fleet, operator, enrolled, token, handset):
    old = enrolled()
    fleet.revoke(operator, old)

    handset().enrol(token(replaces=old))

    assert fleet.device(old).is_revoked
