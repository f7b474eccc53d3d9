"""The hub's online keys: they may withhold and choose, and never make a release."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key

from edgewright.contract.errors import InvalidInput

NAMES = ("timestamp", "snapshot", "director", "audit")


class Keys:
    """Four Ed25519 keys in files of mode 0600 under `folder`, made on first use."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        signers = {name: _signer(folder / f"{name}.pem") for name in NAMES}
        self.timestamp = signers["timestamp"]
        self.snapshot = signers["snapshot"]
        self.director = signers["director"]
        self.audit = signers["audit"]

    def public(self) -> dict[str, Key]:
        """The public halves by name, which the operator's ceremony writes into the root of trust."""
        return {name: getattr(self, name).public_key for name in NAMES}


def _signer(path: Path) -> CryptoSigner:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{path} is not an Ed25519 key", field="keys")
    return CryptoSigner(key)
