"""What people mean by the words that they type about keys."""

from __future__ import annotations

import pytest

from edgewright.client.keys import HeldKey, KeyRing
from edgewright.client.keys.edits import ONLINE, UnknownKey, keys_named, online_named, replacing
from edgewright.contract import keychange
from edgewright.contract.api import KeyEdit, PublicKey, RoleRecord
from edgewright.contract.errors import UsageError

A, B, C, D = ("aaaaaaaa01", "aaaaaaaa02", "bbbbbbbb03", "cccccccc04")
HELD = {A: "root-1", C: "release-1"}


def key(keyid: str) -> PublicKey:
    return PublicKey(keyid=keyid, keytype="ed25519", scheme="ed25519", public="")


def role(name: str, *keyids: str, is_online: bool = False) -> RoleRecord:
    keys = tuple(map(key, keyids))
    return RoleRecord(role=name, version=1, threshold=1, keys=keys, is_online=is_online)


ROLES = (
    role("root", A, B),
    role("release-digits", C),
    role("release", C),
    role("timestamp", D, is_online=True),
)


def test_online_roles_are_those_of_the_contract():
    assert ONLINE == keychange.ONLINE


@pytest.mark.parametrize(("word", "names"), [("online", ONLINE), ("audit", ("audit",)), ("root", ()), ("", ())])
def test_online_stands_for_all_online_roles(word, names):
    assert online_named(word) == names


@pytest.mark.parametrize(
    ("word", "keyids"),
    [
        ("root-1", (A,)),
        ("release-1", (C,)),
        ("root", (A,)),
        ("release", (C,)),
        ("aaaaaaaa02", (B,)),
        ("bbbbbbbb", (C,)),
    ],
)
def test_a_key_is_named_by_its_name_its_id_or_its_role(word, keyids):
    assert keys_named(word, ROLES, HELD) == keyids


@pytest.mark.parametrize("word", ["nobody", "aaaa", "cccccccc", "timestamp", ""])
def test_what_names_no_key_of_people_is_unknown(word):
    with pytest.raises(UnknownKey):
        keys_named(word, ROLES, HELD)


def test_the_beginning_of_two_ids_names_neither():
    with pytest.raises(UsageError, match="several"):
        keys_named("aaaaaaaa", ROLES, HELD)


def test_a_key_is_replaced_in_every_role_that_has_it():
    assert replacing(C, ROLES, key("new")) == (KeyEdit(role="release", add=(key("new"),), remove=(C,)),)
    assert replacing(B, ROLES) == (KeyEdit(role="root", remove=(B,)),)
    assert replacing(D, ROLES) == ()


@pytest.mark.parametrize(
    ("held_role", "model", "tuf_role", "may"),
    [
        ("root", "", "root", True),
        ("root", "", "targets", False),
        ("release", "", "release-digits", True),
        ("release", "wine", "release-digits", False),
        ("release", "wine", "release-wine", True),
        ("release", "", "root", False),
        ("targets", "", "targets", True),
        ("model-signing", "", "model-signing", False),
        ("model-signing", "", "release-digits", False),
    ],
)
def test_a_key_on_a_ring_signs_only_for_its_role_and_model(held_role, model, tuf_role, may):
    held = HeldKey(name="k", role=held_role, kind="file", place="k.pem", public=key(A), model=model)

    assert held.may_sign(tuf_role) is may


def test_new_keys_get_the_next_free_name():
    held = HeldKey(name="release-1", role="release", kind="file", place="k.pem", public=key(A))
    ring = KeyRing().with_key(held)

    assert (ring.free_name("release"), ring.free_name("root")) == ("release-2", "root-1")
