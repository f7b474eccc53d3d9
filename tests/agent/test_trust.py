"""What a device believes of a hub's metadata: the honest way, and each known attack."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from origin import NOW, Disk, Origin, a_manifest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets

from edgewright.agent.link.refresh import Repository as Client
from edgewright.agent.link.refresh import load_role, refresh
from edgewright.agent.trust import read_manifest, read_order
from edgewright.contract import manifest as manifests
from edgewright.contract.envelope import seal
from edgewright.contract.errors import HostileInput, NotFound
from edgewright.contract.order import PAYLOAD_TYPE, Order
from edgewright.contract.trusted import MAX_TIMESTAMP_BYTES, TrustedSet, role_of

NAMES = ("root.json", "timestamp.json", "snapshot.json", "targets.json", "release-digits.json")


@pytest.fixture
def origin(tmp_path) -> Origin:
    return Origin(tmp_path)


@pytest.fixture
def disk(origin) -> Disk:
    return Disk({"root.json": origin.repository.root_bytes()})


def sees(origin: Origin, disk: Disk, now: datetime = NOW, model: str = "digits") -> TrustedSet:
    client = Client(disk, origin.fetch)
    return load_role(client, refresh(client, now), role_of(model), now)


def test_a_device_finds_the_manifest_that_a_release_role_vouches_for(origin, disk):
    install = origin.release(3)

    trusted = sees(origin, disk)

    length, sha256 = trusted.target("digits/3/cpu-int8.json")
    assert sha256 == install.manifest_sha256
    data = manifests.encode(a_manifest("digits", 3))
    assert len(data) == length
    assert read_manifest(data, install, trusted).counter == 3


def test_everything_that_was_verified_is_kept_and_not_fetched_again(origin, disk):
    origin.release(1)
    sees(origin, disk)
    asked = []

    def fetch(name, max_bytes):
        asked.append(name)
        return origin.fetch(name, max_bytes)

    client = Client(disk, fetch)
    trusted = load_role(client, refresh(client, NOW), "release-digits", NOW)

    assert set(disk) == set(NAMES)
    assert asked == ["2.root.json", "timestamp.json"]
    assert trusted.target("digits/1/cpu-int8.json")


def test_a_device_that_was_off_for_a_year_catches_up(origin, disk):
    origin.release(1)
    sees(origin, disk)
    origin.release(2)
    later = NOW + timedelta(days=300)
    origin.repository.renew(later)

    trusted = sees(origin, disk, later)

    assert trusted.target("digits/2/cpu-int8.json")


def test_the_library_s_own_client_finds_the_same_target(origin, tmp_path):
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient import FetcherInterface, Updater

    class FromFolder(FetcherInterface):
        def _fetch(self, url):
            try:
                return iter([origin.repository.file(url.rsplit("/", 1)[1])])
            except NotFound as error:
                raise DownloadHTTPError("none", 404) from error

    now = datetime.now(UTC)
    origin.repository.renew(now)
    install = origin.release(1)
    origin.repository.renew(now)
    updater = Updater(
        str(tmp_path / "client"), "http://hub/", fetcher=FromFolder(), bootstrap=origin.repository.root_bytes()
    )

    found = updater.get_targetinfo(install.target_path)

    assert found is not None
    assert found.hashes["sha256"] == install.manifest_sha256


def test_rollback_of_the_timestamp_is_refused(origin, disk):
    origin.release(1)
    old = origin.files()
    origin.release(2)
    sees(origin, disk)
    origin.put(old)

    with pytest.raises(HostileInput, match="rollback"):
        sees(origin, disk)


def test_rollback_of_a_release_role_under_a_new_timestamp_is_refused(origin, disk):
    origin.release(1)
    old = origin.files()
    origin.release(2)
    sees(origin, disk)
    newest = Metadata[Snapshot].from_bytes(origin.files()["3.snapshot.json"]).signed
    before = Metadata[Snapshot].from_bytes(old["2.snapshot.json"]).signed
    newest.meta["release-digits.json"] = before.meta["release-digits.json"]
    origin.publish_snapshot(newest)

    with pytest.raises(HostileInput, match="release-digits: version 1 is offered where 2 was trusted"):
        sees(origin, disk)


def test_a_snapshot_that_forgets_a_role_is_refused(origin, disk):
    origin.release(1)
    sees(origin, disk)
    snapshot = Metadata[Snapshot].from_bytes(origin.files()["2.snapshot.json"]).signed
    del snapshot.meta["release-digits.json"]
    origin.publish_snapshot(snapshot)

    with pytest.raises(HostileInput, match="it has lost release-digits"):
        sees(origin, disk)


def test_a_frozen_hub_is_noticed_when_its_timestamp_expires(origin, disk):
    origin.release(1)
    sees(origin, disk)

    with pytest.raises(HostileInput, match="timestamp: it has expired"):
        sees(origin, disk, NOW + timedelta(days=1))


def test_a_newer_timestamp_that_has_expired_too_is_refused(origin, disk):
    origin.release(1)
    origin.resign("timestamp.json", origin.keys.timestamp, expires=NOW - timedelta(hours=1))

    with pytest.raises(HostileInput, match="expired"):
        sees(origin, disk)


@pytest.mark.parametrize(("name", "days"), [("snapshot", 8), ("targets", 366), ("root", 366)])
def test_expiry_of_any_role_stops_updates(origin, disk, name, days):
    origin.release(1)
    later = NOW + timedelta(days=days)
    origin.resign("timestamp.json", origin.keys.timestamp, expires=later + timedelta(days=1))
    if name == "targets":
        origin.next_root(expires=later + timedelta(days=1))
        origin.publish_snapshot(Metadata[Snapshot].from_bytes(origin.files()["2.snapshot.json"]).signed, expires=later)

    with pytest.raises(HostileInput, match=f"{name}: it has expired"):
        sees(origin, disk, later - timedelta(hours=1))


def test_mix_and_match_of_two_states_is_refused(origin, disk):
    origin.release(1)
    old = origin.files()
    origin.release(2)
    origin.put({"3.snapshot.json": old["2.snapshot.json"]})

    with pytest.raises(HostileInput, match="snapshot"):
        sees(origin, disk)


def test_a_release_role_of_another_version_under_the_named_name_is_refused(origin, disk):
    origin.release(1)
    origin.release(2)
    files = origin.files()
    origin.put({"2.release-digits.json": files["1.release-digits.json"]})

    with pytest.raises(HostileInput, match="release-digits"):
        sees(origin, disk)


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_a_stranger_s_signature_is_refused(origin, disk, name):
    origin.resign(name, CryptoSigner.generate_ed25519())

    with pytest.raises(HostileInput):
        refresh(Client(disk, origin.fetch), NOW)


def test_a_hub_s_online_keys_cannot_make_a_release(origin, disk):
    origin.release(1)
    role = Metadata[Targets].from_bytes(origin.files()["1.release-digits.json"])
    role.signed.version = 2
    role.sign(origin.keys.snapshot)
    origin.put({"2.release-digits.json": role.to_bytes()})
    snapshot = Metadata[Snapshot].from_bytes(origin.files()["2.snapshot.json"]).signed
    snapshot.meta["release-digits.json"] = MetaFile.from_data(2, role.to_bytes(), ["sha256"])
    origin.publish_snapshot(snapshot)

    with pytest.raises(HostileInput, match="release-digits was signed by 0/1 keys"):
        sees(origin, disk)


def test_root_follows_a_chain_of_rotations(origin, disk):
    (fresh,) = origin.replace_keys("timestamp")
    origin.next_root(names=("root-2", "root-3"))
    origin.resign("timestamp.json", fresh)

    trusted = refresh(Client(disk, origin.fetch), NOW)

    assert trusted.root.version == 3
    assert Metadata[Root].from_bytes(disk["root.json"]).signed.version == 3


def test_a_root_below_its_threshold_is_refused(origin, disk):
    origin.next_root(names=("root-1",))

    with pytest.raises(HostileInput, match="root was signed by 1/2 keys"):
        refresh(Client(disk, origin.fetch), NOW)


def test_a_root_that_skips_a_version_is_refused(origin, disk):
    origin.next_root()
    origin.next_root()
    origin.put({"2.root.json": origin.files()["3.root.json"]})

    with pytest.raises(HostileInput, match="version 2 is due"):
        refresh(Client(disk, origin.fetch), NOW)


def test_a_new_timestamp_key_lets_versions_begin_again(origin, disk):
    origin.release(1)
    sees(origin, disk)
    (fresh,) = origin.replace_keys("timestamp")
    origin.resign("timestamp.json", fresh, version=1)

    trusted = sees(origin, disk)

    assert trusted.timestamp is not None
    assert trusted.timestamp.version == 1


def test_oversized_metadata_is_refused_before_it_is_parsed(origin, disk):
    def fetch(name, max_bytes):
        return b" " * (max_bytes + 1) if name == "timestamp.json" else origin.fetch(name, max_bytes)

    with pytest.raises(HostileInput, match=f"at most {MAX_TIMESTAMP_BYTES}"):
        refresh(Client(disk, fetch), NOW)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[" * 10_000, b'{"signed":{"_type":"root"},"signatures":[]}'])
def test_what_is_no_metadata_is_hostile(origin, data):
    trusted = TrustedSet.from_root(origin.repository.root_bytes())

    with pytest.raises(HostileInput):
        trusted.update_timestamp(data, NOW)


def test_an_unfinished_refresh_changes_no_trust(origin, disk):
    origin.release(1)
    sees(origin, disk)
    before = dict(disk)
    origin.resign("timestamp.json", CryptoSigner.generate_ed25519(), version=99)

    with pytest.raises(HostileInput):
        refresh(Client(disk, origin.fetch), NOW)

    assert disk == before


def test_a_model_s_role_vouches_for_that_model_alone(origin, disk):
    origin.release(1, "digits")
    install = origin.release(1, "wine")
    trusted = sees(origin, disk)

    with pytest.raises(HostileInput, match="not loaded"):
        trusted.target(install.target_path)
    with pytest.raises(HostileInput, match="may not release"):
        trusted.target("digits/1/deeper/cpu-int8.json")
    with pytest.raises(HostileInput, match="delegates nothing"):
        trusted.target("other/1/cpu-int8.json")


def test_the_root_names_the_director_and_the_auditor(origin, disk):
    trusted = refresh(Client(disk, origin.fetch), NOW)

    assert set(trusted.director_keys()) == {origin.keys.director.public_key.keyid}
    assert set(trusted.audit_keys()) == {origin.keys.audit.public_key.keyid}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"device": "other"}, "is for the device 'other'"),
        ({"nonce": "old"}, "nonce is not ours"),
        ({"issued_at": NOW.timestamp() + 61}, "from the future"),
        ({"issued_at": NOW.timestamp() - 400}, "time to live is over"),
        ({"format": 2}, "format 2 is not known"),
    ],
)
def test_an_order_that_is_not_fresh_or_not_ours_is_refused(origin, changes, why):
    trusted = TrustedSet.from_root(origin.repository.root_bytes())
    order = Order(device="d-1", nonce="n-1", issued_at=NOW.timestamp(), ttl_s=300.0)
    envelope = seal_order(msgspec.structs.replace(order, **changes), origin.keys.director)

    with pytest.raises(HostileInput, match=why):
        read(envelope, trusted)


def test_an_order_of_the_director_is_believed_and_of_another_online_key_is_not(origin):
    trusted = TrustedSet.from_root(origin.repository.root_bytes())
    order = Order(device="d-1", nonce="n-1", issued_at=NOW.timestamp(), ttl_s=300.0)

    assert read(seal_order(order, origin.keys.director), trusted) == order
    with pytest.raises(HostileInput):
        read(seal_order(order, origin.keys.timestamp), trusted)


def test_a_hub_cannot_pass_one_release_off_as_another(origin, disk):
    first, second = origin.release(1), origin.release(2)
    trusted = sees(origin, disk)
    data = manifests.encode(a_manifest("digits", 1))
    crossed = msgspec.structs.replace(first, counter=2, version=1)

    with pytest.raises(HostileInput, match="different releases"):
        read_manifest(data, crossed, trusted)
    with pytest.raises(HostileInput, match="vouches for"):
        read_manifest(data, second, trusted)
    with pytest.raises(HostileInput, match="vouches for"):
        read_manifest(data + b" ", first, trusted)


def seal_order(order: Order, signer: CryptoSigner) -> bytes:
    return seal(json.dumps(msgspec.to_builtins(order)).encode(), PAYLOAD_TYPE, signer)


def read(envelope: bytes, trusted: TrustedSet) -> Order:
    return read_order(envelope, trusted, device="d-1", nonce="n-1", now=NOW.timestamp(), skew_s=60.0)
