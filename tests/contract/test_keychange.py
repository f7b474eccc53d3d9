"""What a change of keys makes of root, targets and release roles, drafted without a hub."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from edgewright.contract.api import KeyEdit, SignatureDraft, SigningPayload
from edgewright.contract.errors import InvalidInput
from edgewright.contract.keychange import (
    MAX_KEYS,
    ONLINE,
    Published,
    TooFewKeys,
    assemble,
    draft_change,
    new_model_keys,
)
from edgewright.contract.publickey import to_key, to_public
from edgewright.contract.trusted import TrustedSet

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


class People:
    """Signers by name, and what is published with their signatures."""

    def __init__(self) -> None:
        names = ("a", "b", "c", "targets", "release", "other", *ONLINE)
        self.signers = {name: CryptoSigner.generate_ed25519() for name in names}
        edits = [
            KeyEdit(role="root", add=self.keys("a", "b", "c")),
            KeyEdit(role="targets", add=self.keys("targets")),
            KeyEdit(role="release", add=self.keys("release")),
            *(KeyEdit(role=name, add=self.keys(name)) for name in ONLINE),
        ]
        root, targets = draft_change(Published(), edits, NOW)
        self.published = Published(
            Metadata[Root].from_bytes(self.signed(root, "a", "b")),
            Metadata[Targets].from_bytes(self.signed(targets, "targets")),
            {},
        )

    def keys(self, *names: str):
        return tuple(to_public(self.signers[name].public_key) for name in names)

    def id(self, name: str) -> str:
        return self.signers[name].public_key.keyid

    def signed(self, payload: SigningPayload, *names: str) -> bytes:
        drafts = [
            SignatureDraft(
                role=payload.role,
                version=payload.version,
                keyid=self.id(name),
                signature=self.signers[name].sign(payload.signed).signature,
            )
            for name in names
        ]
        return assemble(payload, drafts)

    def released(self, *models: str) -> Published:
        """The same with a release role for each model, delegated to and signed."""
        edits = [KeyEdit(role=f"release-{model}") for model in models]
        (payload,) = draft_change(self.published, edits, NOW)
        top = Metadata[Targets].from_bytes(self.signed(payload, "targets"))
        releases = {}
        for model in models:
            path = f"{model}/1/cpu.json"
            role = Metadata(
                Targets(version=1, expires=LATER, targets={path: TargetFile(1, {"sha256": "ab" * 32}, path)})
            )
            role.sign(self.signers["release"])
            releases[f"release-{model}"] = role
        return Published(self.published.root, top, releases)


@pytest.fixture
def people() -> People:
    return People()


def roles(payloads) -> list[tuple[str, int]]:
    return [(payload.role, payload.version) for payload in payloads]


def test_a_first_root_is_one_that_devices_believe(people):
    data = people.published.root.to_bytes()

    root = TrustedSet.from_root(data).root

    assert (root.version, root.roles["root"].threshold, root.expires) == (1, 2, NOW + timedelta(days=365))
    assert list(TrustedSet.from_root(data).director_keys()) == [people.id("director")]


def test_the_first_change_names_the_keys_of_the_root(people):
    with pytest.raises(TooFewKeys):
        draft_change(Published(), [KeyEdit(role="release", add=people.keys("release"))], NOW)


def test_the_same_change_at_the_same_time_is_drafted_in_the_same_bytes(people):
    edit = KeyEdit(role="root", add=people.keys("other"))

    assert draft_change(people.published, [edit], NOW) == draft_change(people.published, [edit], NOW)


def test_a_changed_root_asks_the_keys_of_both(people):
    edit = KeyEdit(role="root", add=people.keys("other"), remove=(people.id("c"),))

    (payload,) = draft_change(people.published, [edit], LATER)

    assert set(payload.keyids) == {people.id(name) for name in ("a", "b", "c", "other")}
    trusted = TrustedSet.from_root(people.published.root.to_bytes())
    assert trusted.update_root(people.signed(payload, "a", "b")).root.version == 2


def test_a_targets_key_that_goes_takes_its_signature_with_it(people):
    added = draft_change(people.published, [KeyEdit(role="targets", add=people.keys("other"))], LATER)
    replaced = draft_change(
        people.published, [KeyEdit(role="targets", add=people.keys("other"), remove=(people.id("targets"),))], LATER
    )

    assert roles(added) == [("root", 2)]
    assert roles(replaced) == [("root", 2), ("targets", 2)]


def test_only_releases_that_too_few_would_have_signed_are_signed_again(people):
    published = people.released("digits", "wine")
    edit = KeyEdit(role="release-wine", add=people.keys("other"), remove=(people.id("release"),))

    payloads = draft_change(published, [edit], LATER)

    assert roles(payloads) == [("targets", 3), ("release-wine", 2)]
    again = Targets.from_dict(msgspec.json.decode(payloads[1].signed))
    assert again.targets == published.releases["release-wine"].signed.targets


def test_a_key_that_takes_anothers_place_gets_no_say_where_that_one_had_none(people):
    published = people.released("digits", "wine")
    apart = [KeyEdit(role="release-wine", add=people.keys("a"), remove=(people.id("release"),))]
    targets, _ = draft_change(published, apart, NOW)
    top = Metadata[Targets].from_bytes(people.signed(targets, "targets"))
    published = Published(published.root, top, {"release-digits": published.releases["release-digits"]})

    swap = KeyEdit(role="release", add=people.keys("other"), remove=(people.id("release"),))
    payload, _ = draft_change(published, [swap], LATER)

    after = Targets.from_dict(msgspec.json.decode(payload.signed))
    assert after.delegations.roles["release-wine"].keyids == [people.id("a")]
    assert after.delegations.roles["release-digits"].keyids == [people.id("other")]
    assert list(new_model_keys(after)[0]) == [people.id("other")]
    assert people.id("release") not in after.delegations.keys


def test_a_key_for_all_models_signs_for_those_that_are_there_and_those_to_come(people):
    published = people.released("digits")

    (payload,) = draft_change(published, [KeyEdit(role="release", add=people.keys("other"))], LATER)

    after = Targets.from_dict(msgspec.json.decode(payload.signed))
    both = {people.id("release"), people.id("other")}
    assert set(after.delegations.roles["release-digits"].keyids) == both == set(new_model_keys(after)[0])


def test_what_changes_nothing_drafts_nothing(people):
    edits = [KeyEdit(role="root", add=people.keys("a")), KeyEdit(role="release", threshold=1)]

    assert draft_change(people.published, edits, LATER) == ()


def test_a_renewal_drafts_everything(people):
    payloads = draft_change(people.released("digits"), [], LATER, renew=True)

    assert roles(payloads) == [("root", 2), ("targets", 3), ("release-digits", 2)]


def test_roles_stay_small(people):
    crowd = tuple(to_public(CryptoSigner.generate_ed25519().public_key) for _ in range(MAX_KEYS))

    for role in ("root", "release", "release-digits"):
        with pytest.raises(InvalidInput, match="are enough"):
            draft_change(people.published, [KeyEdit(role=role, add=crowd)], NOW)


def test_a_key_goes_there_and_back_unchanged(people):
    for signer in (people.signers["a"], CryptoSigner.generate_ecdsa()):
        public = to_public(signer.public_key)

        assert to_key(public) == signer.public_key
