"""Private keys as PEM (PKCS #8), encrypted where there is a passphrase."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from edgewright.client.keys.kinds import KeyUnreadable
from edgewright.contract.errors import UsageError

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


def generate(scheme: str) -> PrivateKey:
    """A new key for a signature scheme; raises UsageError for one that is not made here."""
    if scheme == "ed25519":
        return Ed25519PrivateKey.generate()
    if scheme == "ecdsa-sha2-nistp256":
        return generate_private_key(SECP256R1())
    raise UsageError(f"keys of the scheme '{scheme}' are not made here", field="scheme")


def write_pem(key: PrivateKey, passphrase: str) -> bytes:
    """The key as PEM."""
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def read_pem(data: bytes, passphrase: str, name: str) -> CryptoSigner:
    """What signs with the key in `data`; raises KeyUnreadable."""
    try:
        key = load_pem_private_key(data, password=passphrase.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnreadable(f"the operator key '{name}' cannot be opened: {error}", field="passphrase") from error
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise KeyUnreadable(f"the operator key '{name}' is neither Ed25519 nor ECDSA", field="keys")
    return CryptoSigner(key)
