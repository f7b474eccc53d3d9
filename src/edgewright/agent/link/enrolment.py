"""Enrolment: a device's own key, and how it gets its identity with a one-time claim token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.agent.disk import FileStore, Floors, Identity, durable, save_identity
from edgewright.agent.link.hub import Link
from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Capabilities, EnrolRequest
from edgewright.contract.trusted import TrustedSet

KEY = "device.key"


def load_key(root: Path) -> Ed25519PrivateKey:
    """This device's own key, made on first use; it never leaves the folder."""
    path = root / KEY
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        durable.make_folder(root)
        durable.replace(path, pem, mode=0o600)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise InvalidInput(f"{path} is not a private key", field=KEY, hint="Remove it and enrol anew.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{path} is not an Ed25519 key", field=KEY, hint="Remove it and enrol anew.")
    return key


def enrol(
    root: Path,
    *,
    hub: str,
    claim: str,
    name: str,
    key: Ed25519PrivateKey,
    link: Link,
    measure: Callable[[], Capabilities],
) -> Identity:
    """Enrol with `claim`; the identity is written last, so a cut in between means to enrol again with the same key.

    Raises NotAllowed for a claim that is used, expired or unknown, HostileInput for a reply that is none, and
    Unreachable.
    """
    public_key = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    reply = link.enrol(EnrolRequest(claim=claim, public_key=public_key, name=name, capabilities=measure()))
    TrustedSet.from_root(reply.root)
    for place in (Floors(root), FileStore(root / "tuf")):
        place.write("root.json", reply.root)
    identity = Identity(device=reply.device, hub=hub, name=name, labels=reply.labels)
    save_identity(root, identity)
    return identity
