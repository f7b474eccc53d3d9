"""The hub's online keys: they may withhold and choose, and never make a release. Each can have a successor ready."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, Signature, Signer

from edgewright.contract.errors import InvalidInput
from edgewright.contract.whole import sync_folder, write_whole

SECRET_BYTES = 32
NAMES = ("timestamp", "snapshot", "director", "audit")


class OnlineKey(Signer):
    """An Ed25519 key in a file of mode 0600. Whoever holds this object signs with whichever key is in use.

    A successor lies beside it in `<name>.next.pem` from `prepare` until people have signed a root that names it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_path = path.with_suffix(".next.pem")
        self._signer = _read(path) if path.exists() else _make(path)
        self._successor = _read_if_there(self._next_path)

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: Callable[[str], str] | None = None
    ) -> OnlineKey:
        return cls(Path(priv_key_uri))

    @property
    def public_key(self) -> Key:
        return self._signer.public_key

    @property
    def signers(self) -> tuple[CryptoSigner, ...]:
        """The key in use, and its successor if there is one: while a root is handed over both sign."""
        return (self._signer, self._successor) if self._successor else (self._signer,)

    def sign(self, payload: bytes) -> Signature:
        return self._signer.sign(payload)

    def prepare(self, named: Collection[str], *, dry_run: bool = False) -> Key:
        """The key that the next root shall name, made if need be; `named` are the key ids that the root names now.

        A key that the root does not name is new already. With `dry_run` a new one is shown and not kept.
        """
        if self._signer.public_key.keyid not in named:
            return self._signer.public_key
        if self._successor is None and dry_run:
            return CryptoSigner(Ed25519PrivateKey.generate()).public_key
        self._successor = self._successor or _read_if_there(self._next_path) or _make(self._next_path)
        return self._successor.public_key

    def discard(self) -> None:
        """Forget the successor: the change that would have named it is off."""
        self._successor = None
        self._next_path.unlink(missing_ok=True)

    def follow(self, named: Collection[str]) -> bool:
        """Put the successor in use where the root names it and not the key in use; return whether a named one is.

        Another hub of the same folder may have made the successor, or put it in use already.
        """
        if self._signer.public_key.keyid not in named:
            self._signer, self._successor = _read(self._path), _read_if_there(self._next_path)
        is_named = self._signer.public_key.keyid in named
        if self._successor is not None and not is_named and self._successor.public_key.keyid in named:
            self._next_path.rename(self._path)  # the old key is gone with this
            sync_folder(self._path.parent)
            self._signer, self._successor = self._successor, None
            return True
        return is_named


class Keys:
    """The four online keys under `folder`, made on first use."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.by_name = {name: OnlineKey(folder / f"{name}.pem") for name in NAMES}
        self.timestamp = self.by_name["timestamp"]
        self.snapshot = self.by_name["snapshot"]
        self.director = self.by_name["director"]
        self.audit = self.by_name["audit"]

    def public(self) -> dict[str, Key]:
        """The public halves by name, which the operator's ceremony writes into the root of trust."""
        return {name: key.public_key for name, key in self.by_name.items()}

    def secret(self, name: str) -> bytes:
        """32 random bytes of that name, the same for every hub of this folder, made on first use."""
        path = self._folder / f"{name}.secret"
        if not path.exists():
            write_whole(path, secrets.token_bytes(SECRET_BYTES), mode=0o600)
        return path.read_bytes()

    def follow(self, named: Mapping[str, Collection[str]]) -> list[str]:
        """Use the keys that the root names, by key id for each name; returns the names for which it names none here."""
        return [name for name, key in self.by_name.items() if not key.follow(named.get(name, ()))]


def _make(path: Path) -> CryptoSigner:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(path, pem, mode=0o600)
    return _read(path)


def _read_if_there(path: Path) -> CryptoSigner | None:
    return _read(path) if path.exists() else None


def _read(path: Path) -> CryptoSigner:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{path} is not an Ed25519 key", field="keys")
    return CryptoSigner(key)
