"""Enrolment: how a device gets its identity, with its own key and a one-time claim token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgewright.agent.disk import FileStore, Floors, Identity, save_identity
from edgewright.agent.link.hub import Link
from edgewright.contract.devicekey import DeviceKey
from edgewright.contract.report import Capabilities, EnrolRequest
from edgewright.contract.trusted import TrustedSet


def enrol(
    root: Path,
    *,
    hub: str,
    claim: str,
    name: str,
    key: DeviceKey,
    link: Link,
    measure: Callable[[], Capabilities],
) -> Identity:
    """Enrol with `claim`; the identity is written last, so a cut in between means to enrol again with the same key.

    Raises NotAllowed for a claim that is used, expired or unknown, HostileInput for a reply that is none, and
    Unreachable.
    """
    public_key = key.public_key.raw
    reply = link.enrol(EnrolRequest(claim=claim, public_key=public_key, name=name, capabilities=measure()))
    TrustedSet.from_root(reply.root)
    for place in (Floors(root), FileStore(root / "tuf")):
        place.write("root.json", reply.root)
    identity = Identity(device=reply.device, hub=hub, name=name, labels=reply.labels)
    save_identity(root, identity)
    return identity
