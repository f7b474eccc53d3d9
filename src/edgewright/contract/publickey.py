"""Public keys between TUF's form and ours; a key id is the digest of its key and of nothing else."""

from __future__ import annotations

import hashlib

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Key, Signature

from edgewright.contract.api.keys import PublicKey
from edgewright.contract.errors import InvalidInput

SCHEMES = {"ed25519": "ed25519", "ecdsa-sha2-nistp256": "ecdsa"}
"""Signature schemes and their key types (TUF §4.2). All are verified on devices by the same library."""

MAX_PUBLIC_CHARS = 2048


def key_id(key: Key) -> str:
    """SHA-256 over the canonical JSON of type, scheme and value (TUF §4.2). A shown key id then names one key only."""
    facts = {"keytype": key.keytype, "scheme": key.scheme, "keyval": key.keyval}
    return hashlib.sha256((encode_canonical(facts) or "").encode()).hexdigest()


def to_public(key: Key) -> PublicKey:
    """A key as people and hub exchange it."""
    return PublicKey(keyid=key.keyid, keytype=key.keytype, scheme=key.scheme, public=key.keyval["public"])


def to_key(public: PublicKey) -> Key:
    """The key itself; raises InvalidInput for a scheme that is not ours, no key at all, or another key's id."""
    if SCHEMES.get(public.scheme) != public.keytype or len(public.public) > MAX_PUBLIC_CHARS:
        raise InvalidInput(f"'{public.scheme}' is no scheme for keys here; {', '.join(SCHEMES)} are", field="keys")
    facts = {"keytype": public.keytype, "scheme": public.scheme, "keyval": {"public": public.public}}
    key = Key.from_dict(public.keyid, facts)
    if key_id(key) != public.keyid:
        raise InvalidInput(f"the key id {public.keyid[:12]} is not that of its key", field="keys")
    _check_readable(key)
    return key


def _check_readable(key: Key) -> None:
    """A value that is no key would only show when the first signature fails."""
    try:
        key.verify_signature(Signature(key.keyid, "00"), b"")
    except VerificationError as error:  # something else went wrong than the signature
        raise InvalidInput(f"key {key.keyid[:12]} cannot be read: {error}", field="keys") from error
    except UnverifiedSignatureError:
        return
