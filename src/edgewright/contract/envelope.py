"""The sealed envelope: a payload, its type and its signatures (DSSE v1), for orders and audit statements."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SignatureError
from securesystemslib.signer import Key, Signature, Signer

from edgewright.contract.errors import HostileInput
from edgewright.contract.wire import read_json

MAX_ENVELOPE_BYTES = 128 * 1024
MAX_SIGNATURES = 8


class _Sig(msgspec.Struct, frozen=True):
    keyid: str
    sig: bytes


class _Wire(msgspec.Struct, frozen=True):
    """An envelope as JSON; msgspec reads and writes `bytes` as base64."""

    payload: bytes
    payload_type: str = msgspec.field(name="payloadType")
    signatures: tuple[_Sig, ...]


def seal(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """Sign `payload` under its type and return the envelope as JSON bytes (DSSE v1)."""
    signature = Envelope(payload, payload_type, {}).sign(signer)
    sig = _Sig(keyid=signature.keyid, sig=bytes.fromhex(signature.signature))
    return msgspec.json.encode(_Wire(payload=payload, payload_type=payload_type, signatures=(sig,)))


def open_sealed(data: bytes, payload_type: str, keys: Mapping[str, Key]) -> bytes:
    """Return the payload if one of `keys` (by key id) has signed it under `payload_type`; else raise HostileInput.

    Nothing of the payload is parsed here, and nothing of it is returned before a signature holds.
    """
    wire = _parse(data)
    if wire.payload_type != payload_type:
        raise HostileInput(f"the envelope holds '{wire.payload_type}', not '{payload_type}'", field="payloadType")
    signatures = {sig.keyid: Signature(sig.keyid, sig.sig.hex()) for sig in wire.signatures}
    if len(signatures) != len(wire.signatures) or len(signatures) > MAX_SIGNATURES:
        raise HostileInput("the envelope has two signatures of one key, or too many", field="signatures")
    try:
        Envelope(wire.payload, wire.payload_type, signatures).verify(list(keys.values()), 1)
    except (SignatureError, ValueError) as error:
        raise HostileInput("no trusted key has signed the envelope", field="signatures") from error
    return wire.payload


def unverified_payload(data: bytes) -> bytes:
    """What is in an envelope, whoever has signed it: good for choosing how to verify it, and for nothing else."""
    return _parse(data).payload


def _parse(data: bytes) -> _Wire:
    if len(data) > MAX_ENVELOPE_BYTES:
        raise HostileInput(f"an envelope has at most {MAX_ENVELOPE_BYTES} bytes, this one has {len(data)}")
    return read_json(data, _Wire, "an envelope")
