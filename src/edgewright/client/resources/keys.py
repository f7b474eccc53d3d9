"""Keys: who may sign what at a hub, and changes of that: drafted there, signed here."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.client.resources.releases import Signs
from edgewright.client.transport import Transport
from edgewright.contract.api import (
    KeyChangeDraft,
    KeyChangeRecord,
    KeySigningRequest,
    RoleRecord,
    SignatureDraft,
)
from edgewright.contract.errors import Refused


class Keys:
    """The roles that a hub's devices believe, and who signs for them."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def roles(self) -> tuple[RoleRecord, ...]:
        """Every role with its keys; none before the ceremony."""
        return self._hub.get("keys", "roles", into=tuple[RoleRecord, ...])

    def changes(self) -> tuple[KeyChangeRecord, ...]:
        """Changes of keys, the newest first."""
        return self._hub.get("keys", "changes", into=tuple[KeyChangeRecord, ...])

    def draft(self, draft: KeyChangeDraft, *, dry_run: bool = False) -> KeySigningRequest:
        """Draft a change; returns what has to be signed for it."""
        return self._hub.post("keys", "changes", body=draft, into=KeySigningRequest, dry_run=dry_run)

    def signing_request(self, number: int) -> KeySigningRequest:
        """What of a change awaits signatures."""
        return self._hub.get("keys", "changes", number, "signing", into=KeySigningRequest)

    def add_signatures(
        self, number: int, drafts: Sequence[SignatureDraft], *, dry_run: bool = False
    ) -> KeyChangeRecord:
        """Hand in signatures; the last one that is needed publishes the change."""
        parts = ("keys", "changes", number, "signatures")
        return self._hub.post(*parts, body=list(drafts), into=KeyChangeRecord, dry_run=dry_run)

    def drop(self, number: int, *, dry_run: bool = False) -> KeyChangeRecord:
        """Withdraw a change that is not published yet."""
        return self._hub.post("keys", "changes", number, "drop", body={}, into=KeyChangeRecord, dry_run=dry_run)


def sign_change(request: KeySigningRequest, keys: Signs) -> list[SignatureDraft]:
    """Sign what a change needs with the keys that are here; raises Refused where none of them may."""
    drafts = [draft for payload in request.payloads for draft in keys.sign(payload)]
    if not drafts:
        wanted = ", ".join(sorted({keyid[:12] for payload in request.payloads for keyid in payload.keyids}))
        raise Refused(
            f"no key here may sign change {request.change.number}; it takes some of {wanted}",
            field="keys",
            hint="Name the folder of another key ring with --keys, or ask who holds those keys.",
        )
    return drafts
