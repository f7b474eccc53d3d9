"""The operator's keys: made once, closed to others, and each signs only what it is for."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner, Signature
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, TargetFile, Targets

from edgewright.client.keys import KeysInUse, NoOperatorKeys, OperatorKeys, ceremony
from edgewright.contract.api import KeyEdit, SigningPayload
from edgewright.contract.errors import Conflict, HostileInput, InvalidInput
from edgewright.contract.keychange import Published, draft_change
from edgewright.contract.publickey import to_public
from edgewright.contract.trusted import TrustedSet

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONLINE = {name: CryptoSigner.generate_ed25519().public_key for name in ("timestamp", "snapshot", "director", "audit")}
DIGEST = "ab" * 32


@pytest.fixture
def keys(tmp_path) -> OperatorKeys:
    keys = OperatorKeys(tmp_path / "operator")
    keys.create()
    return keys


def release_payload(keys: OperatorKeys, version: int = 1, paths: tuple[str, ...] = ("digits/1/cpu.json",)):
    targets = Targets(version=version, expires=NOW)
    for path in paths:
        targets.targets[path] = TargetFile(10, {"sha256": DIGEST}, path)
    return SigningPayload(
        role="release-digits",
        version=version,
        signed=Metadata(targets).signed_bytes,
        keyids=tuple(keys.release_keys()),
        threshold=1,
    )


def test_key_files_are_closed_to_others(keys, tmp_path):
    folder = tmp_path / "operator"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.pem")} == {
        f"{name}.pem": 0o600 for name in ("root-1", "root-2", "root-3", "targets", "release-1", "model-signing")
    }


def test_making_keys_again_changes_nothing(keys):
    before = keys.release_keys()

    keys.create()

    assert keys.release_keys() == before


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(Conflict, match="not empty"):
        OperatorKeys(tmp_path).create()

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_passphrase_closes_the_keys(tmp_path):
    OperatorKeys(tmp_path / "operator", "correct horse").create()

    assert OperatorKeys(tmp_path / "operator", "correct horse").release_keys()
    for wrong in ("", "wrong"):
        with pytest.raises(InvalidInput, match="cannot be opened"):
            OperatorKeys(tmp_path / "operator", wrong).signer("release-1")


def test_keys_that_are_not_there_are_named(keys, tmp_path):
    with pytest.raises(NoOperatorKeys, match="nowhere"):
        OperatorKeys(tmp_path / "nowhere").release_keys()
    with pytest.raises(NoOperatorKeys, match="release-7"):
        keys.signer("release-7")


def test_the_root_takes_two_of_three_keys_and_names_the_online_ones(tmp_path):
    ceremony(tmp_path / "operator", tmp_path / "hub", ONLINE, NOW)

    trusted = TrustedSet.from_root((tmp_path / "hub" / "1.root.json").read_bytes())
    assert trusted.root.roles["root"].threshold == 2
    assert len(trusted.root.roles["root"].keyids) == 3
    assert set(trusted.director_keys()) == {ONLINE["director"].keyid}


def test_a_ceremony_leaves_only_public_metadata_at_the_hub_and_happens_once(tmp_path):
    hub = tmp_path / "hub"

    assert ceremony(tmp_path / "operator", hub, ONLINE, NOW)

    before = {path.name: path.read_bytes() for path in hub.iterdir()}
    assert set(before) == {"1.root.json", "1.targets.json"}
    assert not any(b"PRIVATE" in data for data in before.values())
    assert not ceremony(tmp_path / "operator", hub, ONLINE, NOW)
    assert {path.name: path.read_bytes() for path in hub.iterdir()} == before


def test_a_ceremony_that_was_cut_off_is_finished_with_the_same_keys(tmp_path):
    ceremony(tmp_path / "operator", tmp_path / "hub", ONLINE, NOW)
    first = Metadata[Root].from_bytes((tmp_path / "hub" / "1.root.json").read_bytes()).signed
    for left in (tmp_path / "hub" / "1.root.json", *(tmp_path / "operator").glob("*.signed")):
        left.unlink()

    assert ceremony(tmp_path / "operator", tmp_path / "hub", ONLINE, NOW)

    again = Metadata[Root].from_bytes((tmp_path / "hub" / "1.root.json").read_bytes()).signed
    assert again.roles == first.roles


def test_keys_that_have_signed_for_one_hub_do_not_begin_another(tmp_path):
    ceremony(tmp_path / "operator", tmp_path / "first", ONLINE, NOW)

    with pytest.raises(KeysInUse):
        ceremony(tmp_path / "operator", tmp_path / "hub", ONLINE, NOW)

    assert not (tmp_path / "hub").exists()


def test_a_release_key_signs_a_release(keys):
    payload = release_payload(keys)

    (draft,) = keys.sign(payload)

    key = keys.release_keys()[draft.keyid]
    key.verify_signature(Signature(draft.keyid, draft.signature), payload.signed)


def test_what_is_signed_is_told_against_what_was_signed_before(keys):
    keys.sign(release_payload(keys, 1, ("digits/1/cpu.json",)))

    lines = keys.describe(release_payload(keys, 2, ("digits/2/cpu.json",)))

    assert lines[0].startswith("release-digits version 2")
    assert f"adds path digits/2/cpu.json: {DIGEST}" in lines
    assert f"removes path digits/1/cpu.json: {DIGEST}" in lines


def test_a_key_signs_only_what_it_is_for(keys, tmp_path):
    ceremony(tmp_path / "operator", tmp_path / "hub", ONLINE, NOW)
    root = Metadata[Root].from_bytes((tmp_path / "hub" / "1.root.json").read_bytes())
    bait = SigningPayload(
        role="release-digits",
        version=1,
        signed=root.signed_bytes,
        keyids=tuple(root.signed.roles["root"].keyids),
        threshold=1,
    )
    honest = msgspec.structs.replace(release_payload(keys), keyids=tuple(root.signed.roles["root"].keyids))

    with pytest.raises(HostileInput):
        keys.sign(bait)
    assert keys.sign(honest) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "timestamp"},
        {"role": "release-../x"},
        {"role": "release-wine"},
        {"role": "targets"},
        {"version": 2},
        {"signed": b"{}"},
        {"signed": b"\xff"},
    ],
)
def test_a_payload_that_is_not_what_it_says_is_not_signed(keys, changes):
    payload = msgspec.structs.replace(release_payload(keys), **changes)

    with pytest.raises(HostileInput):
        keys.describe(payload)
    with pytest.raises(HostileInput):
        keys.sign(payload)


def test_an_older_version_than_was_signed_before_is_refused(keys):
    keys.sign(release_payload(keys, 2))

    with pytest.raises(HostileInput, match="version 2 was signed here before"):
        keys.sign(release_payload(keys, 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"paths": ["*"]},
        {"paths": ["digits/*/*", "wine/*/*"]},
        {"name": "everything"},
        {"paths": None, "path_hash_prefixes": ["ab"]},
    ],
)
def test_a_delegation_to_more_than_one_models_releases_is_not_signed(keys, changes):
    key = next(iter(keys.release_keys().values()))
    rule = {"keyids": [key.keyid], "threshold": 1, "terminating": True}
    role = {"name": "release-digits", "paths": ["digits/*/*"], **rule, **changes}
    role = {name: value for name, value in role.items() if value is not None}
    targets = Targets(version=2, expires=NOW, delegations=Delegations({key.keyid: key}, {role["name"]: _role(role)}))
    signed = Metadata(targets).signed_bytes
    payload = SigningPayload(role="targets", version=2, signed=signed, keyids=(key.keyid,), threshold=1)

    with pytest.raises(HostileInput, match="one model's releases alone"):
        keys.sign(payload)


def _role(facts: dict) -> DelegatedRole:
    return DelegatedRole.from_dict(dict(facts))


def test_a_hub_gets_no_more_than_its_release_signed_without_a_yes(tmp_path):
    """A hub that was taken over puts a key of its own, or a release of its own, beside the one that is to be signed."""
    ceremony(tmp_path / "operator", tmp_path / "hub", ONLINE, NOW)
    keys = OperatorKeys(tmp_path / "operator")
    published = Metadata[Targets].from_bytes((tmp_path / "hub" / "1.targets.json").read_bytes())
    edits = (KeyEdit(role="release-digits"), KeyEdit(role="release", add=(to_public(ONLINE["audit"]),)))
    root = Metadata[Root].from_bytes((tmp_path / "hub" / "1.root.json").read_bytes())
    (honest,), (rogue,) = (draft_change(Published(root, published, {}), edits[:n], NOW) for n in (1, 2))
    keys.sign(release_payload(keys, 1))

    assert keys.beyond_release(honest, "digits", 1) == []
    assert keys.beyond_release(honest, "wine", 1)
    assert any("new models" in line for line in keys.beyond_release(rogue, "digits", 1))
    own = ("digits/1/cpu.json", "digits/2/cpu.json")
    assert keys.beyond_release(release_payload(keys, 2, own), "digits", 2) == []
    assert keys.beyond_release(release_payload(keys, 2, (*own, "digits/9/cpu.json")), "digits", 2)
    keys.sign(release_payload(keys, 2, own[1:]))
    assert keys.beyond_release(release_payload(keys, 3, own), "digits", 2) == []  # both were signed here


def test_a_hub_gets_no_version_that_leaves_none_and_no_life_that_outlasts_the_keys(tmp_path):
    ceremony(tmp_path / "operator", tmp_path / "hub", ONLINE, NOW)
    keys = OperatorKeys(tmp_path / "operator", clock=NOW.timestamp)
    long = Targets(version=1, expires=NOW + timedelta(days=400))

    leap = keys.beyond_release(release_payload(keys, 2**60), "digits", 1)
    life = keys.beyond_release(msgspec.structs.replace(release_payload(keys), signed=_bytes(long)), "digits", 1)

    assert leap == [f"leaps from version 0 to {2**60}"]
    assert life == ["stays good until 2027-02-05T00:00:00Z, longer than 365 days"]


def _bytes(targets: Targets) -> bytes:
    return Metadata(targets).signed_bytes
