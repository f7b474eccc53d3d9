"""Changes of keys at the hub: what may be drafted, who must sign, and that nothing half is ever published."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa
from holders import OTTO, Holders, public, swap

from edgewright.client.keys import OperatorKeys
from edgewright.contract.api import KeyChangeDraft, KeyChangeState, KeyEdit, Role, SignatureDraft
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.keychange import TooFewKeys
from edgewright.hub.events import event_table
from edgewright.hub.govern import Principal
from edgewright.hub.govern.model import Forbidden
from edgewright.hub.packaging.keychanges import service
from edgewright.hub.packaging.keychanges.model import ChangeIsClosed, NothingToChange, UnknownChange
from edgewright.hub.packaging.model import StaleSignature

DAY_S = 86_400.0


@pytest.fixture
def holders(house) -> Holders:
    return Holders(house)


@pytest.fixture
def mara(tmp_path) -> OperatorKeys:
    """Another person with a ring of her own."""
    ring = OperatorKeys(tmp_path / "mara")
    ring.make("root", name="root-mara")
    ring.make("release", name="release-mara")
    return ring


def role(holders: Holders, name: str):
    return next(one for one in holders.changes.roles() if one.role == name)


def test_the_roles_are_those_that_devices_believe(holders):
    roles = {one.role: one for one in holders.changes.roles()}

    assert list(roles) == ["root", "targets", "release", "timestamp", "snapshot", "director", "audit"]
    assert (roles["root"].threshold, len(roles["root"].keys)) == (2, 3)
    assert roles["release"].keys == (public(holders.otto, "release-1"),)
    assert {one.problem for one in roles.values()} == {""}


def test_a_drafted_change_changes_nothing_until_enough_have_signed(holders, mara):
    number = holders.change(KeyEdit(role="root", add=(public(mara, "root-mara"),)))
    before = holders.repository.root_bytes()

    record = holders.changes.changes()[0]

    assert (record.number, record.state) == (number, KeyChangeState.DRAFT)
    assert record.pieces[0].missing.startswith("2 of ")
    assert holders.repository.root_bytes() == before


def test_a_dry_run_of_a_draft_says_what_would_be_signed_and_keeps_nothing(holders, mara):
    draft = KeyChangeDraft(edits=(KeyEdit(role="release", add=(public(mara, "release-mara"),)),), online=("director",))

    request = holders.changes.draft(OTTO, draft, dry_run=True)

    assert [payload.role for payload in request.payloads] == ["root", "targets"]
    assert holders.changes.changes() == []
    assert len(holders.keys.director.signers) == 1


def test_a_new_root_takes_the_old_threshold_and_its_own(holders, mara, tmp_path):
    eve = OperatorKeys(tmp_path / "eve")
    for name in ("root-a", "root-b"):
        eve.make("root", name=name)
    takeover = [public(eve, name) for name in ("root-a", "root-b")]
    old = [public(holders.otto, f"root-{number}").keyid for number in (1, 2, 3)]
    number = holders.change(KeyEdit(role="root", add=tuple(takeover), remove=tuple(old)))

    by_new_alone = holders.sign(number, eve)

    assert by_new_alone.state is KeyChangeState.DRAFT
    assert holders.sign(number, holders.otto).state is KeyChangeState.PUBLISHED


def test_people_with_rings_of_their_own_sign_one_after_the_other(holders, mara):
    holders.done(swap_in(mara, holders))
    number = holders.change(KeyEdit(role="root", threshold=3))

    first = holders.sign(number, mara)
    second = holders.sign(number, holders.otto)

    assert first.state is KeyChangeState.DRAFT
    assert first.pieces[0].signed == (public(mara, "root-mara").keyid,)
    assert second.state is KeyChangeState.PUBLISHED


def swap_in(mara: OperatorKeys, holders: Holders) -> KeyEdit:
    """Mara's root key instead of otto's third."""
    out = public(holders.otto, "root-3").keyid
    return KeyEdit(role="root", add=(public(mara, "root-mara"),), remove=(out,))


def test_a_change_of_release_keys_signs_the_releases_again(house, holders):
    house.add_version(1)
    house.publish(1)
    holders.otto.make("release", name="release-2")
    number = holders.change(swap("release", holders.otto, "release-1", "release-2"))

    pieces = holders.changes.signing(number).change.pieces

    assert [(piece.role, piece.version) for piece in pieces] == [("targets", 3), ("release-digits", 2)]


def test_one_more_release_key_leaves_the_releases_as_they_are(house, holders, mara):
    house.add_version(1)
    house.publish(1)

    record = holders.done(KeyEdit(role="release", add=(public(mara, "release-mara"),)))

    assert [piece.role for piece in record.pieces] == ["targets"]
    assert len(role(holders, "release-digits").keys) == 2


def test_a_model_can_have_release_keys_and_a_threshold_of_its_own(house, holders, mara):
    record = holders.done(KeyEdit(role="release-wine", add=(public(mara, "release-mara"),), threshold=2))

    assert record.pieces[0].role == "targets"
    assert (role(holders, "release-wine").threshold, len(role(holders, "release-wine").keys)) == (2, 2)
    assert (role(holders, "release").threshold, len(role(holders, "release").keys)) == (1, 1)


def test_a_release_drafted_under_the_old_threshold_asks_again_under_the_new(house, holders, mara):
    house.add_version(1)
    house.publish(1)
    house.add_version(2)
    counter = house.build(2).counter
    house.sign(counter)

    number = holders.change(KeyEdit(role="release-digits", add=(public(mara, "release-mara"),), threshold=2))
    holders.sign(number, holders.otto, mara)
    house.packaging.approve(house.bob, "digits", counter)
    asked = house.packaging.signing("digits", counter)

    assert asked.release.state == "draft"
    assert asked.release.signatures_needed == 2


def test_a_change_is_drafted_again_when_a_release_takes_its_version_and_keeps_what_still_holds(house, holders, mara):
    house.add_version(1)
    edits = (swap_in(mara, holders), KeyEdit(role="release", add=(public(mara, "release-mara"),)))
    number = holders.change(*edits)
    holders.sign(number, mara)
    house.publish(1)

    request = holders.changes.signing(number)

    assert [(piece.role, piece.version) for piece in request.change.pieces] == [("root", 2), ("targets", 3)]
    assert request.change.pieces[0].signed == (public(mara, "root-mara").keyid,)
    assert holders.sign(number).state is KeyChangeState.PUBLISHED


def test_a_renewal_signs_everything_for_another_year(house, holders):
    house.add_version(1)
    house.publish(1)
    house.clock.now += 330 * DAY_S
    before = {one.role: one.problem for one in holders.changes.roles()}

    record = holders.done(renew=True)

    assert before["root"] == "expires in 35 days: edgewright keys renew"
    assert [piece.role for piece in record.pieces] == ["root", "targets", "release-digits"]
    assert {one.problem for one in holders.changes.roles()} == {""}
    assert all(one.expires_at > house.clock() + 364 * DAY_S for one in holders.changes.roles() if one.version)


def test_a_change_can_be_withdrawn_and_its_successors_go_with_it(holders):
    number = holders.change(online=("timestamp",))

    record = holders.changes.drop(OTTO, number)

    assert record.state is KeyChangeState.DROPPED
    assert len(holders.keys.timestamp.signers) == 1
    with pytest.raises(ChangeIsClosed):
        holders.changes.signing(number)


def test_a_successor_stays_while_any_change_awaits_it_however_old(holders, monkeypatch):
    monkeypatch.setattr(service, "CHANGES_SHOWN", 1)
    first, second = holders.change(online=("director",)), holders.change(online=("director",))
    holders.changes.drop(OTTO, second)

    holders.sign(first)

    assert holders.changes.follow() == []


def test_every_step_is_audited_and_told(house, holders, mara):
    number = holders.change(KeyEdit(role="release", add=(public(mara, "release-mara"),)))
    holders.sign(number)

    with house.db.read() as connection:
        told = list(connection.scalars(sa.select(event_table.c.kind).order_by(event_table.c.number)))
    audited = [(entry.actor, entry.action, entry.subject) for entry in house.audit.entries()]

    happened = ("drafted", "signed", "published")
    assert [kind for kind in told if "key_change" in kind] == [f"packaging.key_change_{word}" for word in happened]
    assert audited[-3:] == [("otto", "keys.draft", "1"), ("otto", "keys.sign", "1"), ("hub", "keys.publish", "1")]


def test_only_those_who_may_change_keys_draft_and_sign(holders):
    nobody = Principal(name="ada", roles=(Role.ENGINEER, Role.APPROVER))
    number = holders.change(online=("audit",))

    with pytest.raises(Forbidden):
        holders.changes.draft(nobody, KeyChangeDraft(renew=True))
    with pytest.raises(Forbidden):
        holders.changes.add_signatures(nobody, number, [])
    with pytest.raises(Forbidden):
        holders.changes.drop(nobody, number)


@pytest.mark.parametrize(
    ("edit", "refusal"),
    [
        ({"role": "root", "threshold": 4}, TooFewKeys),
        ({"role": "release", "threshold": 2}, TooFewKeys),
        ({"role": "release", "remove": "its own"}, TooFewKeys),
        ({"role": "targets", "remove": "its own"}, TooFewKeys),
        ({"role": "root", "remove": "a stranger's"}, InvalidInput),
        ({"role": "release-digits", "remove": "a stranger's"}, InvalidInput),
        ({"role": "timestamp", "threshold": 1}, InvalidInput),
        ({"role": "mirrors", "threshold": 1}, InvalidInput),
        ({"role": "release", "threshold": 1}, NothingToChange),
    ],
)
def test_a_change_that_would_lock_people_out_or_says_nothing_is_refused(holders, mara, edit, refusal):
    named = {"its own": role(holders, edit["role"]).keys[0].keyid if edit.get("remove") == "its own" else ""}
    named["a stranger's"] = public(mara, "root-mara").keyid
    removed = (named[edit["remove"]],) if "remove" in edit else ()

    with pytest.raises(refusal):
        holders.change(KeyEdit(role=edit["role"], remove=removed, threshold=edit.get("threshold", 0)))

    assert holders.changes.changes() == []


def test_a_key_under_the_id_of_another_is_refused(holders, mara):
    theirs, ours = public(mara, "release-mara"), public(holders.otto, "release-1")
    forged = msgspec.structs.replace(theirs, keyid=ours.keyid)

    with pytest.raises(InvalidInput, match="key id"):
        holders.change(KeyEdit(role="release", add=(forged,)))


@pytest.mark.parametrize("changes", [{"scheme": "rsassa-pss-sha256"}, {"public": "00"}, {"public": "zz"}])
def test_what_is_no_key_of_ours_is_refused(holders, mara, changes):
    odd = msgspec.structs.replace(public(mara, "release-mara"), **changes)

    with pytest.raises(InvalidInput):
        holders.change(KeyEdit(role="release", add=(odd,)))


def test_signatures_that_do_not_hold_are_refused(holders, mara):
    number = holders.change(KeyEdit(role="release", add=(public(mara, "release-mara"),)))
    (payload,) = holders.changes.signing(number).payloads
    key = public(holders.otto, "targets")
    good = SignatureDraft(role="targets", version=payload.version, keyid=key.keyid, signature="00" * 64)

    for changes, refusal in (
        ({}, InvalidInput),
        ({"role": "root"}, InvalidInput),
        ({"version": payload.version + 1}, StaleSignature),
    ):
        with pytest.raises(refusal):
            holders.changes.add_signatures(OTTO, number, [msgspec.structs.replace(good, **changes)])
    with pytest.raises(InvalidInput):
        holders.changes.add_signatures(OTTO, number, [])
    with pytest.raises(UnknownChange):
        holders.changes.signing(99)


def test_a_hub_that_passes_off_another_key_under_a_known_id_gets_no_signature(holders, mara):
    number = holders.change(KeyEdit(role="release", add=(public(mara, "release-mara"),)))
    (payload,) = holders.changes.signing(number).payloads
    ours, theirs = public(holders.otto, "release-1").public, public(mara, "release-mara").public
    forged = msgspec.structs.replace(payload, signed=payload.signed.replace(ours.encode(), theirs.encode()))

    with pytest.raises(HostileInput, match="key id"):
        holders.otto.sign(forged)


def test_a_crash_between_the_new_root_and_the_swap_of_keys_is_mended_at_the_next_start(holders, tmp_path, monkeypatch):
    number = holders.change(online=("timestamp", "snapshot", "director", "audit"))
    payloads = holders.changes.signing(number).payloads
    drafts = [draft for payload in payloads for draft in holders.otto.sign(payload)]
    monkeypatch.setattr(holders.repository, "_follow", lambda: None)
    monkeypatch.setattr(holders.changes, "follow", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        holders.changes.add_signatures(OTTO, number, drafts)
    assert (tmp_path / "tuf" / "2.root.json").exists()

    holders.restart()

    assert holders.changes.follow() == []
    assert holders.device().sees().root.version == 2
    assert holders.sign(number).state is KeyChangeState.PUBLISHED


@pytest.mark.parametrize("files", range(6))
def test_a_crash_after_any_file_of_a_change_is_mended_by_signing_again(house, holders, files):
    """Keys that the change replaces sign too, as before the crash: some of what they sign is published by now."""
    house.add_version(1)
    house.publish(1)
    device, ring = holders.device(), holders.otto
    swaps = {"root-3": "root", "targets": "targets", "release-1": "release"}
    names = {old: ring.make(role).name for old, role in swaps.items()}
    edits = [swap(role, ring, old, names[old]) for old, role in swaps.items()]
    number = holders.change(*edits, online=("timestamp", "snapshot", "director", "audit"))
    crash_after(holders, files)
    with pytest.raises(Crash):
        holders.sign(number)

    holders.restart()

    assert device.sees("digits").holds("release-digits")
    assert holders.sign(number).state is KeyChangeState.PUBLISHED
    assert device.sees("digits").root.version == 2
    assert device.obeys(holders.order())


class Crash(Exception):
    """The hub is no more."""


def crash_after(holders: Holders, files: int) -> None:
    """Let the hub die when it has written so many files of a change; after the last, before that is in its records."""
    write, written = holders.repository._write, []

    def die_or_write(name: str, data: bytes) -> None:
        if len(written) == files:
            raise Crash
        write(name, data)
        written.append(name)

    def die() -> None:
        raise Crash

    holders.repository._write, holders.changes.follow = die_or_write, die
