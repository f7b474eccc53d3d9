"""Signed HTTP requests: RFC 9421 over method, path and content digest (RFC 9530, sha-256).

Signed with Ed25519 or ECDSA P-256, as the device's key is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from edgewright.contract.devicekey import Algorithm, DeviceKey, DevicePublicKey
from edgewright.contract.errors import HostileInput, NotAllowed

COMPONENTS = ("@method", "@path", "content-digest")
LABEL = "edgewright"
MAX_HEADER_CHARS = 1024
_WORD = r"[A-Za-z0-9._:~+/=-]{1,200}"
_INPUT = re.compile(
    rf'{LABEL}=(?P<params>\("@method" "@path" "content-digest"\)'
    rf';created=(?P<created>[0-9]{{1,12}});keyid="(?P<keyid>{_WORD})";nonce="(?P<nonce>{_WORD})"'
    rf';alg="(?P<algorithm>{"|".join(Algorithm)})")'
)
_SIGNATURE = re.compile(rf"{LABEL}=:(?P<sig>[A-Za-z0-9+/=]{{1,200}}):")


class SignatureParams(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature says of itself. `created` is in seconds since the epoch, by the signer's clock."""

    keyid: str
    nonce: str
    created: int
    algorithm: Algorithm = Algorithm.ED25519


def sign(
    method: str, path: str, body: bytes, *, key: DeviceKey, keyid: str, nonce: str, created: int
) -> dict[str, str]:
    """Return the headers Content-Digest, Signature-Input and Signature of a request."""
    params = _params(SignatureParams(keyid=keyid, nonce=nonce, created=created, algorithm=key.public_key.algorithm))
    if _INPUT.fullmatch(f"{LABEL}={params}") is None:
        raise ValueError("keyid and nonce must be plain words")
    digest = content_digest(body)
    signature = key.sign(signature_base(_covered(method, path, digest), params))
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{base64.b64encode(signature).decode()}:",
    }


def parse(headers: Mapping[str, str]) -> SignatureParams:
    """Read whose signature a request claims to carry, before any key is looked up. Nothing is verified yet.

    `headers` have lower-case names. Raises NotAllowed for an unsigned request, HostileInput for another form.
    """
    match = _INPUT.fullmatch(_header(headers, "signature-input"))
    if match is None:
        raise HostileInput(f"Signature-Input must cover {', '.join(COMPONENTS)}", field="signature-input")
    return SignatureParams(
        keyid=match["keyid"],
        nonce=match["nonce"],
        created=int(match["created"]),
        algorithm=Algorithm(match["algorithm"]),
    )


def verify(
    method: str, path: str, body: bytes, headers: Mapping[str, str], public_key: DevicePublicKey
) -> SignatureParams:
    """Check that `public_key` has signed this request; the caller checks nonce, time and key id.

    Method, path and parameters count as they are written: no other spelling of them is the same request. Raises
    NotAllowed if the request is unsigned or the signature does not hold, HostileInput if a header or the path is
    malformed, the algorithm is not the key's, or the body is not the one that was signed.
    """
    params = parse(headers)
    if params.algorithm is not public_key.algorithm:  # RFC 9421 section 3.2, step 6: the key decides
        raise HostileInput(f"this device's key signs with {public_key.algorithm}", field="signature-input")
    if not path.isprintable():
        raise HostileInput("the path of a request has characters that none can have", field="path")
    digest = content_digest(body)
    if not hmac.compare_digest(_header(headers, "content-digest").encode(), digest.encode()):
        raise HostileInput("the body does not have the digest that its header names", field="content-digest")
    written = _header(headers, "signature-input").removeprefix(f"{LABEL}=")
    public_key.verify(_signature(headers), signature_base(_covered(method, path, digest), written))
    return params


def content_digest(body: bytes) -> str:
    """The Content-Digest of `body` (RFC 9530 section 2)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_base(covered: Sequence[tuple[str, str]], params: str) -> bytes:
    """The bytes that are signed (RFC 9421 section 2.5): a line for each component, and the parameters."""
    lines = [f'"{name}": {value}' for name, value in covered]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()


def _covered(method: str, path: str, digest: str) -> list[tuple[str, str]]:
    return list(zip(COMPONENTS, (method, path, digest), strict=True))


def _params(params: SignatureParams) -> str:
    names = " ".join(f'"{name}"' for name in COMPONENTS)
    facts = f'created={params.created};keyid="{params.keyid}";nonce="{params.nonce}";alg="{params.algorithm}"'
    return f"({names});{facts}"


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise NotAllowed(f"the request has no {name} header", field=name, hint="Sign the request (RFC 9421).")
    if len(value) > MAX_HEADER_CHARS:
        raise HostileInput(f"the {name} header is too long", field=name)
    return value


def _signature(headers: Mapping[str, str]) -> bytes:
    match = _SIGNATURE.fullmatch(_header(headers, "signature"))
    if match is None:
        raise HostileInput(f"Signature must hold '{LABEL}'", field="signature")
    try:
        signature = base64.b64decode(match["sig"], validate=True)
    except binascii.Error as error:
        raise HostileInput("Signature is not base64", field="signature") from error
    if base64.b64encode(signature).decode() != match["sig"]:
        raise HostileInput("Signature has bits that mean nothing", field="signature")
    return signature
