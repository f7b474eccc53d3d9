"""The drills of docs/howto/rotate-and-recover-keys.md: each with a device that slept through it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from holders import Device, Holders, public, swap
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from edgewright.client.keys import OperatorKeys
from edgewright.contract.api import KeyEdit, SignatureDraft
from edgewright.contract.errors import HostileInput
from edgewright.contract.keychange import ONLINE
from edgewright.hub.packaging.model import NoRoot, StaleSignature
from edgewright.hub.packaging.signatures import SignedPayload

PATH = "digits/1/cpu-int8.json"
ROGUE = "digits/9/cpu-int8.json"
FAR = 1_000_000


@pytest.fixture
def holders(house) -> Holders:
    house.add_version(1)
    house.publish(1)
    return Holders(house)


@pytest.fixture
def device(holders) -> Device:
    """It has seen all there is so far."""
    device = holders.device()
    device.sees("digits")
    return device


class Thief:
    """Somebody between hub and device with copies of stolen keys, who answers with files of his own."""

    def __init__(self, holders: Holders, **stolen: CryptoSigner) -> None:
        self.stolen = stolen
        self.files: dict[str, bytes] = {}
        self.hub = holders._fetch
        self.now = datetime.fromtimestamp(holders.house.clock(), UTC)

    def fetch(self, name: str, max_bytes: int) -> bytes:
        return self.files[name] if name in self.files else self.hub(name, max_bytes)

    def resign(self, name: str, role: str, as_name: str = "", **changes) -> bytes:
        """Change a file of the hub and sign it with the stolen key of its role."""
        metadata = Metadata.from_bytes(self.hub(name, 1 << 20))
        for field, value in changes.items():
            setattr(metadata.signed, field, value)
        metadata.sign(self.stolen[role])
        self.files[as_name or name] = metadata.to_bytes()
        return self.files[as_name or name]

    def fast_forward(self) -> None:
        """Versions so high that the hub's own would look old for ever."""
        timestamp = Metadata[Timestamp].from_bytes(self.hub("timestamp.json", 1 << 20)).signed
        meta = timestamp.snapshot_meta
        data = self.resign(f"{meta.version}.snapshot.json", "snapshot", f"{FAR}.snapshot.json", version=FAR)
        later = self.now + timedelta(days=1)
        named = copy.deepcopy(meta).from_data(FAR, data, ["sha256"])
        self.resign("timestamp.json", "timestamp", version=FAR, expires=later, snapshot_meta=named)

    def vouch(self, role: str, keys: str) -> None:
        """A release of his own in the release role, with snapshot and timestamp to match."""
        snapshot_meta = Metadata[Timestamp].from_bytes(self.hub("timestamp.json", 1 << 20)).signed.snapshot_meta
        name = f"{snapshot_meta.version}.snapshot.json"
        meta = copy.deepcopy(Metadata[Snapshot].from_bytes(self.hub(name, 1 << 20)).signed.meta)
        old = meta[f"{role}.json"]
        released = Metadata[Targets].from_bytes(self.hub(f"{old.version}.{role}.json", 1 << 20)).signed
        targets = {**released.targets, ROGUE: TargetFile(1, {"sha256": "ab" * 32}, ROGUE)}
        later = f"{old.version + 1}.{role}.json"
        data = self.resign(f"{old.version}.{role}.json", keys, later, targets=targets, version=old.version + 1)
        meta[f"{role}.json"] = old.from_data(old.version + 1, data, ["sha256"])
        snapshot = self.resign(name, "snapshot", f"{FAR}.snapshot.json", version=FAR, meta=meta)
        named = snapshot_meta.from_data(FAR, snapshot, ["sha256"])
        self.resign("timestamp.json", "timestamp", version=FAR, snapshot_meta=named)


def copies(holders: Holders) -> dict[str, CryptoSigner]:
    """What a thief takes from HUB/keys."""
    return {name: key.signers[0] for name, key in holders.keys.by_name.items()}


# --- drill 1: the root is rotated, a root key was lost or its holder leaves ---


def test_a_device_that_slept_through_two_root_rotations_follows_the_chain(holders, device, tmp_path):
    mara = OperatorKeys(tmp_path / "mara")
    mara.make("root", name="root-mara")
    out = public(holders.otto, "root-3").keyid
    holders.done(KeyEdit(role="root", add=(public(mara, "root-mara"),), remove=(out,)))
    holders.otto.make("root", name="root-4")
    number = holders.change(swap("root", holders.otto, "root-1", "root-4"))
    holders.sign(number, mara)
    holders.sign(number, holders.otto)

    trusted = device.sees("digits")

    assert trusted.root.version == 3
    assert public(mara, "root-mara").keyid in trusted.root.roles["root"].keyids
    assert trusted.target(PATH)
    assert device.obeys(holders.order()).device == "d-1"


def test_a_root_key_that_was_rotated_out_signs_no_root_any_more(holders, device):
    holders.otto.make("root", name="root-4")
    holders.done(swap("root", holders.otto, "root-3", "root-4"))
    holders.otto.make("root", name="root-5")
    holders.done(swap("root", holders.otto, "root-2", "root-5"))
    device.sees()
    rogue = Metadata[Root].from_bytes(holders.repository.root_bytes())
    rogue.signed.version += 1
    rogue.signatures.clear()
    for name in ("root-2", "root-3"):
        rogue.sign(holders.otto.signer(name), append=True)
    thief = Thief(holders)
    thief.files["4.root.json"] = rogue.to_bytes()

    with pytest.raises(HostileInput, match="root"):
        Device(thief.fetch, holders.house.clock, device.disk).sees()


def test_the_targets_key_is_replaced_and_a_device_in_between_refuses_nothing(house, holders, device):
    """Each file that the hub writes on the way is followed by a look of the device, with the old root or the new."""
    holders.otto.make("targets", name="targets-2")
    looks = watch(holders, device)

    holders.done(swap("targets", holders.otto, "targets", "targets-2"), online=ONLINE)

    assert len(looks) >= 4
    assert looks[-1] == 2
    house.add_version(2)
    house.publish(2)
    assert device.sees("digits").target("digits/2/cpu-int8.json")


def watch(holders: Holders, device: Device) -> list[int]:
    """Let the device look after every file that is written; returns the root versions that it saw."""
    looks: list[int] = []
    write = holders.repository._write

    def written(name: str, data: bytes) -> None:
        write(name, data)
        looks.append(device.sees("digits").root.version)

    holders.repository._write = written
    return looks


# --- drill 2: a release key is lost, or stolen ---


def test_a_release_verifies_after_all_keys_that_signed_it_have_gone(house, holders):
    house.add_version(2)
    house.publish(2)
    for role, old, new in (("targets", "targets", "targets-2"), ("release", "release-1", "release-2")):
        holders.otto.make(role, name=new)
        holders.done(swap(role, holders.otto, old, new))

    reports = [house.packaging.verify("digits", counter) for counter in (1, 2)]

    assert [line for report in reports for line in report.checks if not line.holds] == []


def test_a_lost_release_key_is_replaced_and_releases_go_on(house, holders, device):
    holders.otto.make("release", name="release-2")
    lost = public(holders.otto, "release-1").keyid
    (holders.otto.folder / "release-1.pem").unlink()
    ring = holders.otto.folder / "keyring.json"
    kept = json.loads(ring.read_bytes())
    kept["keys"] = [key for key in kept["keys"] if key["public"]["keyid"] != lost]
    ring.write_text(json.dumps(kept))

    record = holders.done(KeyEdit(role="release", add=(public(holders.otto, "release-2"),), remove=(lost,)))
    house.add_version(2)
    house.publish(2)

    assert [piece.role for piece in record.pieces] == ["targets", "release-digits"]
    assert [house.packaging.verify("digits", counter).holds for counter in (1, 2)] == [True, True]
    trusted = device.sees("digits")
    assert trusted.target(PATH)
    assert trusted.target("digits/2/cpu-int8.json")


def test_a_stolen_release_key_makes_releases_until_it_is_revoked_and_none_after(holders, device):
    thief = Thief(holders, **copies(holders), release=holders.otto.signer("release-1"))
    thief.vouch("release-digits", "release")
    naive = Device(thief.fetch, holders.house.clock, copy.deepcopy(device.disk))
    assert naive.sees("digits").target(ROGUE)  # with the online keys too, for as long as nobody has revoked it

    holders.otto.make("release", name="release-2")
    holders.done(swap("release", holders.otto, "release-1", "release-2"))
    slept = Device(thief.fetch, holders.house.clock, copy.deepcopy(device.disk))
    thief.files.clear()
    thief.vouch("release-digits", "release")

    with pytest.raises(HostileInput, match="release-digits"):
        slept.sees("digits")
    assert device.sees("digits").target(PATH)
    with pytest.raises(HostileInput):
        device.sees("digits").target(ROGUE)


def test_a_device_never_sees_new_release_keys_without_the_releases_that_they_signed(holders, device):
    holders.otto.make("release", name="release-2")
    looks = watch(holders, device)

    holders.done(swap("release", holders.otto, "release-1", "release-2"))

    assert len(looks) == 4  # targets, release-digits, snapshot, timestamp


def test_a_release_signed_by_a_revoked_key_is_not_published(house, holders):
    house.add_version(2)
    counter = house.build(2).counter
    request = house.packaging.signing("digits", counter)
    drafts = [draft for payload in request.payloads for draft in holders.otto.sign(payload)]
    holders.otto.make("release", name="release-2")
    holders.done(swap("release", holders.otto, "release-1", "release-2"))

    with pytest.raises(StaleSignature):
        house.packaging.add_signatures(house.otto, "digits", counter, drafts)
    pieces = [SignedPayload(payload, (_by(payload, drafts),)) for payload in request.payloads]
    with pytest.raises(StaleSignature):
        holders.repository.publish(pieces, datetime.fromtimestamp(house.clock(), UTC))


def _by(payload, drafts: list[SignatureDraft]) -> SignatureDraft:
    return next(draft for draft in drafts if draft.role == payload.role)


# --- drill 3: all online keys are stolen, or lost ---


def test_stolen_online_keys_hold_devices_back_only_until_a_new_root_names_others(house, holders, device):
    thief = Thief(holders, **copies(holders))
    thief.fast_forward()
    forged = holders.order(thief.stolen["director"])
    captive = Device(thief.fetch, house.clock, device.disk)
    captive.sees("digits")
    assert captive.obeys(forged)  # until now the thief is the hub
    with pytest.raises(HostileInput, match="rollback"):
        device.sees()  # and the hub's own versions look old to the device

    holders.done(online=ONLINE)
    freed = device.sees("digits")

    assert freed.root.version == 2
    assert freed.timestamp.version < FAR  # the floors of stolen keys are gone (5.3.11)
    assert freed.target(PATH)
    assert device.obeys(holders.order()).device == "d-1"
    with pytest.raises(HostileInput, match="no trusted key"):
        device.obeys(forged)
    with pytest.raises(HostileInput):
        captive.sees()
    house.add_version(2)
    house.publish(2)
    assert device.sees("digits").target("digits/2/cpu-int8.json")


def test_a_hub_that_lost_its_online_keys_begins_again_with_new_ones_that_people_sign(house, holders, device):
    for path in (house.folder / "keys").iterdir():
        path.unlink()

    holders.restart()
    now = datetime.fromtimestamp(house.clock(), UTC)
    with pytest.raises(NoRoot):
        holders.repository.renew(now)
    problems = {one.role: one.problem for one in holders.changes.roles() if one.problem}
    holders.done(online=ONLINE)

    assert set(problems) == set(ONLINE)
    assert {one.problem for one in holders.changes.roles()} == {""}
    assert device.sees("digits").target(PATH)
    assert device.obeys(holders.order()).device == "d-1"
    assert not holders.repository.renew(now)


def test_the_audit_log_stays_whole_over_a_change_of_its_key_and_the_old_key_cannot_go_on_with_it(house, holders):
    stolen = copies(holders)["audit"]
    holders.done(online=("audit",))
    assert holders.house.audit.verify().is_verified

    with house.db.write() as connection:
        holders.keys.audit._signer, ours = stolen, holders.keys.audit._signer
        holders.house.audit.record(connection, "thief", "user.create", "thief")
        holders.keys.audit._signer = ours

    report = holders.house.audit.verify()
    assert not report.is_verified
    assert "wrong signature" in report.problem
