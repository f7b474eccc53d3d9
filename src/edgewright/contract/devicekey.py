"""A device's key pair: how it signs, and how its public half crosses the wire.

Ed25519 where the private half is a file; ECDSA P-256 where it lives in a TPM or another token, which know no Ed25519.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgewright.contract.errors import HostileInput, NotAllowed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

ED25519_BYTES = 32
P256_BYTES = 33
NUMBER_BYTES = 32


class Algorithm(StrEnum):
    """Signature algorithms by their names in RFC 9421, section 6.2.2."""

    ED25519 = "ed25519"
    P256 = "ecdsa-p256-sha256"


class DeviceKey(Protocol):
    """A private key, wherever it is kept."""

    @property
    def public_key(self) -> DevicePublicKey:
        """Its public half."""
        ...

    def sign(self, data: bytes) -> bytes:
        """64 bytes: an Ed25519 signature, or r and s of an ECDSA one over SHA-256 (RFC 9421, section 3.3.4)."""
        ...


class DevicePublicKey:
    """A device's public key as it crosses the wire, and what its signatures are checked with."""

    def __init__(self, raw: bytes) -> None:
        """`raw` is an Ed25519 key (32 bytes) or a compressed P-256 point (33, SEC 1 section 2.3.3).

        Raises HostileInput for anything else, also for a point that is not on the curve.
        """
        self.raw = raw
        if len(raw) not in (ED25519_BYTES, P256_BYTES):
            raise HostileInput(
                f"a device's key is Ed25519 (32 bytes) or P-256 (33, compressed), this one has {len(raw)} bytes",
                field="public_key",
            )
        self.algorithm = Algorithm.ED25519 if len(raw) == ED25519_BYTES else Algorithm.P256
        self._key = Ed25519PublicKey.from_public_bytes(raw) if len(raw) == ED25519_BYTES else _point(raw)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raise NotAllowed unless this key has signed `data`."""
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, data)
            else:
                _verify_p256(self._key, signature, data)
        except InvalidSignature as error:
            raise NotAllowed("the signature does not hold", field="signature") from error


class SoftKey:
    """An Ed25519 key in this process's memory."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = DevicePublicKey(private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(data)


def _point(raw: bytes) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)
    except ValueError as error:
        raise HostileInput(f"the key is no point of P-256: {error}", field="public_key") from error


def _verify_p256(key: EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature) != 2 * NUMBER_BYTES:
        raise InvalidSignature
    r, s = (int.from_bytes(half, "big") for half in (signature[:NUMBER_BYTES], signature[NUMBER_BYTES:]))
    key.verify(encode_dss_signature(r, s), data, ECDSA(SHA256()))
