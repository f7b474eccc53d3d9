"""What every kind of key must do: a plug-in passes when its subclass of `KeyChecks` passes."""

from __future__ import annotations

import pytest
from securesystemslib.exceptions import UnverifiedSignatureError

from edgewright import plugins
from edgewright.client.keys import OperatorKeys, Vault
from edgewright.client.keys.kinds import GROUP, open_kind
from edgewright.contract.errors import EdgewrightError, NotFound
from edgewright.contract.publickey import key_id, to_key, to_public


class KeyChecks:
    """One shared suite; the subclass gives `kind`, a `vault` in which 'release-1' can be made, and a `wrong` secret."""

    kind: str

    @pytest.fixture
    def vault(self) -> Vault:
        raise NotImplementedError

    @pytest.fixture
    def wrong(self, vault: Vault) -> Vault:
        """The same vault with a secret that does not open it."""
        raise NotImplementedError

    def test_it_is_installed_as_a_plug_in(self) -> None:
        assert self.kind in plugins.names(GROUP)

    def test_what_it_signs_holds_under_the_public_half_and_nothing_else_does(self, vault: Vault) -> None:
        place, public = open_kind(self.kind, vault).make("release-1", "ed25519")

        signature = open_kind(self.kind, vault).open(place, public).sign(b"bytes")

        public.verify_signature(signature, b"bytes")
        with pytest.raises(UnverifiedSignatureError):
            public.verify_signature(signature, b"other bytes")

    def test_its_key_ids_are_the_digests_of_their_keys(self, vault: Vault) -> None:
        _, public = open_kind(self.kind, vault).make("release-1", "ed25519")

        assert key_id(public) == public.keyid
        assert to_key(to_public(public)) == public

    def test_its_places_hold_no_secret(self, vault: Vault) -> None:
        place, _ = open_kind(self.kind, vault).make("release-1", "ed25519")

        secrets = [vault.passphrase, *(value for name, value in vault.environment.items() if "PIN" in name)]
        assert not any(secret and secret in place for secret in secrets)

    def test_a_wrong_secret_opens_nothing(self, vault: Vault, wrong: Vault) -> None:
        place, public = open_kind(self.kind, vault).make("release-1", "ed25519")

        with pytest.raises(EdgewrightError):
            open_kind(self.kind, wrong).open(place, public).sign(b"bytes")

    def test_without_its_place_it_says_what_is_missing(self, vault: Vault, tmp_path) -> None:
        place, public = open_kind(self.kind, vault).make("release-1", "ed25519")

        with pytest.raises(NotFound):
            open_kind(self.kind, Vault(tmp_path / "nowhere", "", {})).open(place, public)

    def test_a_key_ring_signs_with_it(self, vault: Vault) -> None:
        keys = OperatorKeys(vault.folder, vault.passphrase, vault.environment)
        held = keys.make("release", name="release-1", kind=self.kind)

        again = OperatorKeys(vault.folder, vault.passphrase, vault.environment)
        signature = again.signer("release-1").sign(b"bytes")

        assert held.kind == self.kind
        again.release_keys()[held.public.keyid].verify_signature(signature, b"bytes")
