"""Keys in PEM files of mode 0600 in the key ring's folder, all under one passphrase."""

from __future__ import annotations

from securesystemslib.signer import Key, Signer

from edgewright.client.keys.kinds import NoOperatorKeys, Vault
from edgewright.client.keys.kinds.pem import generate, read_pem, write_pem
from edgewright.contract.errors import Conflict
from edgewright.contract.whole import write_whole


class FileKeys:
    """A key's place is the name of its file."""

    def __init__(self, vault: Vault) -> None:
        self._folder = vault.folder
        self._passphrase = vault.passphrase

    def make(self, name: str, scheme: str) -> tuple[str, Key]:
        """Write `name`.pem."""
        path = self._folder / f"{name}.pem"
        if path.exists():
            raise Conflict(f"there is a key file {path} already", field="name")
        data = write_pem(generate(scheme), self._passphrase)
        write_whole(path, data, mode=0o600)
        return path.name, read_pem(data, self._passphrase, name).public_key

    def open(self, place: str, public: Key) -> Signer:
        """Read the file."""
        path = self._folder / place
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            name = place.removesuffix(".pem")
            raise NoOperatorKeys(f"there is no operator key '{name}' in {self._folder}", field="keys") from error
        return read_pem(data, self._passphrase, place.removesuffix(".pem"))
