"""Our kinds of keys pass the checks that every kind passes: files, environment variables, PKCS#11 tokens."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from key_checks import KeyChecks
from securesystemslib.signer import CryptoSigner

from edgewright.client.keys import KeyUnreadable, NoOperatorKeys, OperatorKeys, Vault, first_edits
from edgewright.client.keys.kinds import open_kind
from edgewright.client.keys.kinds.pem import generate, write_pem
from edgewright.contract.api import KeyEdit
from edgewright.contract.errors import Conflict
from edgewright.contract.keychange import ONLINE, Published, assemble, draft_change
from edgewright.contract.publickey import to_public
from edgewright.contract.trusted import TrustedSet

SOFTHSM = next((str(path) for path in Path("/usr/lib").rglob("libsofthsm2.so")), "")
PIN = "314159"
TOKENS = 12


class TestFiles(KeyChecks):
    kind = "file"

    @pytest.fixture
    def vault(self, tmp_path) -> Vault:
        folder = tmp_path / "keys"
        folder.mkdir()
        return Vault(folder, "correct horse", {})

    @pytest.fixture
    def wrong(self, vault) -> Vault:
        return dataclasses.replace(vault, passphrase="wrong")

    def test_a_file_is_encrypted_and_closed_to_others(self, vault):
        open_kind("file", vault).make("release-1", "ed25519")

        path = vault.folder / "release-1.pem"
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY")
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_key_file_is_never_written_over(self, vault):
        open_kind("file", vault).make("release-1", "ed25519")

        with pytest.raises(Conflict):
            open_kind("file", vault).make("release-1", "ed25519")


class TestEnvironment(KeyChecks):
    kind = "environment"

    @pytest.fixture
    def vault(self, tmp_path) -> Vault:
        pem = write_pem(generate("ed25519"), "correct horse").decode()
        names = {"EDGEWRIGHT_KEY_RELEASE_1": pem, "EDGEWRIGHT_KEY_RELEASE_1_PASSPHRASE": "correct horse"}
        return Vault(tmp_path / "keys", "", names)

    @pytest.fixture
    def wrong(self, vault) -> Vault:
        return dataclasses.replace(
            vault, environment={**vault.environment, "EDGEWRIGHT_KEY_RELEASE_1_PASSPHRASE": "wrong"}
        )

    def test_what_is_no_key_is_refused(self, vault):
        odd = dataclasses.replace(vault, environment={"EDGEWRIGHT_KEY_RELEASE_1": "none"})

        with pytest.raises(KeyUnreadable):
            open_kind("environment", odd).make("release-1", "ed25519")


@pytest.fixture(scope="session")
def tokens(tmp_path_factory) -> Iterator[Iterator[str]]:
    """Empty tokens, by label: SoftHSM reads its configuration and lists its tokens once in a process."""
    if not (SOFTHSM and shutil.which("softhsm2-util")):
        pytest.skip("softhsm2 is not installed (debian-packages.txt)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    labels = [f"token-{number}" for number in range(TOKENS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        patch.setenv("PYKCS11LIB", SOFTHSM)
        for label in labels:
            words = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN]
            subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
        yield iter(labels)


class TestPkcs11(KeyChecks):
    kind = "pkcs11"

    @pytest.fixture
    def vault(self, tokens, tmp_path) -> Vault:
        names = {"PYKCS11LIB": SOFTHSM, "EDGEWRIGHT_PKCS11_PIN": PIN, "EDGEWRIGHT_PKCS11_TOKEN": next(tokens)}
        return Vault(tmp_path / "keys", "", {**os.environ, **names})

    @pytest.fixture
    def wrong(self, vault) -> Vault:
        return dataclasses.replace(vault, environment={**vault.environment, "EDGEWRIGHT_PKCS11_PIN": "000000"})

    def test_a_token_makes_p256_keys_and_never_two_of_a_name(self, vault):
        kind = open_kind("pkcs11", vault)
        place, public = kind.make("release-1", "ed25519")
        other, _ = kind.make("release-2", "ed25519")

        assert public.scheme == "ecdsa-sha2-nistp256"
        assert place.startswith("hsm:")
        assert place != other
        with pytest.raises(Conflict):
            kind.make("release-1", "ed25519")

    def test_without_a_pin_nothing_is_asked_of_the_token(self, vault):
        without = dataclasses.replace(vault, environment={"PYKCS11LIB": SOFTHSM})

        with pytest.raises(NoOperatorKeys, match="EDGEWRIGHT_PKCS11_PIN"):
            open_kind("pkcs11", without).make("release-1", "ed25519")

    def test_a_root_of_tokens_alone_is_one_that_devices_believe(self, vault):

        ring = OperatorKeys(vault.folder, "", vault.environment)
        for name, role in (("root-1", "root"), ("root-2", "root"), ("targets", "targets"), ("release-1", "release")):
            ring.make(role, name=name, kind="pkcs11")
        online = [KeyEdit(role=name, add=(to_public(CryptoSigner.generate_ed25519().public_key),)) for name in ONLINE]
        edits = (*first_edits(ring.held(), {}), *online)
        root, _ = draft_change(Published(), edits, now=datetime(2026, 1, 1, tzinfo=UTC))

        data = assemble(root, ring.sign(root))

        assert TrustedSet.from_root(data).root.roles["root"].threshold == 2
