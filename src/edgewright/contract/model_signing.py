"""OpenSSF Model Signing v1.0 of a package: a Sigstore bundle beside our own signatures, so that others can verify.

The statement lists the package's files and its manifest by name and SHA-256, as they lie in one folder; an ECDSA P-256
key signs it. `model_signing verify key` (the reference tool) takes the bundle. Devices do not read it: they trust the
release role.
"""

from __future__ import annotations

import hashlib

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Key, Signature, Signer

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.statements import PAYLOAD_TYPE, Resource, Statement, encode
from edgewright.contract.wire import read_json

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SCHEME = "ecdsa-sha2-nistp256"
MANIFEST_NAME = "manifest.json"
MAX_BUNDLE_BYTES = 16 * 1024**2


class Serialization(msgspec.Struct, frozen=True, kw_only=True):
    """How a folder became a list of resources: file by file."""

    method: str = "files"
    hash_type: str = "sha256"
    allow_symlinks: bool = False


class SignedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the folder."""

    name: str
    digest: str
    algorithm: str = "sha256"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The predicate: what lies in the folder, in the order of the names."""

    resources: tuple[SignedFile, ...]
    serialization: Serialization = Serialization()


class _Hint(msgspec.Struct, frozen=True, kw_only=True):
    hint: str


class _Material(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    public_key: _Hint
    tlog_entries: tuple[()] = ()


class _Sig(msgspec.Struct, frozen=True, kw_only=True):
    sig: bytes
    keyid: str = ""


class _Dsse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    payload: bytes
    payload_type: str
    signatures: tuple[_Sig, ...]


class _Bundle(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Sigstore's bundle as JSON, as far as a key needs it; `bytes` are base64."""

    media_type: str
    verification_material: _Material
    dsse_envelope: _Dsse


def content_statement(manifest_bytes: bytes) -> bytes:
    """What is signed of a package: a statement over its manifest and all files that it names.

    The subject's digest is the SHA-256 over all digests, in the order of the names. Raises HostileInput for bytes
    that are no manifest.
    """
    manifest = manifests.decode(manifest_bytes)
    listed = [(MANIFEST_NAME, manifests.digest(manifest_bytes)), *((file.name, file.sha256) for file in manifest.files)]
    files = tuple(SignedFile(name=name, digest=sha256) for name, sha256 in sorted(listed))
    together = hashlib.sha256(b"".join(bytes.fromhex(file.digest) for file in files)).hexdigest()
    subject = Resource(name=f"{manifest.model}-{manifest.counter}-{manifest.target}", digest={"sha256": together})
    return encode(Statement(subject=(subject,), predicate_type=PREDICATE_TYPE, predicate=Content(resources=files)))


def sign_content(signer: Signer, manifest_bytes: bytes) -> bytes:
    """The bundle of a package. Raises InvalidInput unless the signer's key is an ECDSA P-256 one."""
    key = signer.public_key
    hint = hashlib.sha256(public_pem(key)).hexdigest()
    statement = content_statement(manifest_bytes)
    signature = signer.sign(Envelope(statement, PAYLOAD_TYPE, {}).pae())
    envelope = _Dsse(
        payload=statement, payload_type=PAYLOAD_TYPE, signatures=(_Sig(sig=bytes.fromhex(signature.signature)),)
    )
    material = _Material(public_key=_Hint(hint=hint))
    bundle = _Bundle(media_type=BUNDLE_TYPE, verification_material=material, dsse_envelope=envelope)
    return msgspec.json.encode(bundle, order="sorted")


def check_content(bundle: bytes, manifest_bytes: bytes, key: Key) -> None:
    """Raise HostileInput unless `key` has signed exactly this package. The files themselves are not read."""
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise HostileInput(f"a bundle has at most {MAX_BUNDLE_BYTES} bytes", field="bundle")
    parsed = read_json(bundle, _Bundle, "a bundle")
    envelope = parsed.dsse_envelope
    if (parsed.media_type, envelope.payload_type) != (BUNDLE_TYPE, PAYLOAD_TYPE):
        raise HostileInput("the bundle is of another type", field="mediaType")
    if envelope.payload != content_statement(manifest_bytes):
        raise HostileInput("the bundle is over another package", field="payload")
    hint = parsed.verification_material.public_key.hint
    if hint != hashlib.sha256(public_pem(key)).hexdigest() or len(envelope.signatures) != 1:
        raise HostileInput("the bundle does not name this key", field="publicKey")
    try:
        pae = Envelope(envelope.payload, PAYLOAD_TYPE, {}).pae()
        key.verify_signature(Signature(key.keyid, envelope.signatures[0].sig.hex()), pae)
    except (UnverifiedSignatureError, VerificationError) as error:
        raise HostileInput("the bundle's signature does not hold", field="signatures") from error


def public_pem(key: Key) -> bytes:
    """The public key as the reference tool reads it, PEM; raises InvalidInput unless it is an ECDSA P-256 key."""
    try:
        public = load_pem_public_key(key.keyval["public"].encode())
    except (ValueError, KeyError) as error:
        raise InvalidInput("the key is no public key in PEM", field="key") from error
    is_p256 = isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1)
    if not is_p256 or key.scheme != SCHEME:
        raise InvalidInput(f"model signing takes {SCHEME} keys, this one is {key.scheme}", field="key")
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
