"""Keys in environment variables, for CI: EDGEWRIGHT_KEY_RELEASE_1 holds the PEM of 'release-1'."""

from __future__ import annotations

from securesystemslib.signer import CryptoSigner, Key, Signer

from edgewright.client.keys.kinds import NoOperatorKeys, Vault
from edgewright.client.keys.kinds.pem import read_pem

PREFIX = "EDGEWRIGHT_KEY_"


class EnvironmentKeys:
    """A key's place is its variable's name; the same name with _PASSPHRASE behind it opens the PEM."""

    def __init__(self, vault: Vault) -> None:
        self._environment = vault.environment

    def make(self, name: str, scheme: str) -> tuple[str, Key]:
        """Take the key that the variable holds: whoever sets the variable makes the key."""
        place = PREFIX + name.upper().replace("-", "_")
        return place, self._read(place).public_key

    def open(self, place: str, public: Key) -> Signer:
        """Read the variable."""
        return self._read(place)

    def _read(self, place: str) -> CryptoSigner:
        data = self._environment.get(place, "")
        if not data:
            hint = f"Let it hold a private key as PEM: openssl genpkey -algorithm ed25519; {place}_PASSPHRASE opens it."
            raise NoOperatorKeys(f"the variable {place} is not set", field="keys", hint=hint)
        return read_pem(data.encode(), self._environment.get(f"{place}_PASSPHRASE", ""), place)
