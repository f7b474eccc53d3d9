"""People, and the audit log of what they did."""

from __future__ import annotations

from edgewright.client.transport import Transport
from edgewright.contract.api import AuditEntry, AuditReport, UserDraft, UserRecord


class Users:
    """The people of this hub."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def create(self, draft: UserDraft, *, dry_run: bool = False) -> UserRecord:
        """Add a person."""
        return self._hub.post("users", body=draft, into=UserRecord, dry_run=dry_run)

    def list(self) -> tuple[UserRecord, ...]:
        """All people."""
        return self._hub.get("users", into=tuple[UserRecord, ...])


class Audit:
    """Who did what to what."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def entries(self, after: int = 0) -> tuple[AuditEntry, ...]:
        """Every entry with a number above `after`, oldest first."""
        found: list[AuditEntry] = []
        while page := self._hub.get("audit", into=list[AuditEntry], after=found[-1].number if found else after):
            found += page
        return tuple(found)

    def verify(self) -> AuditReport:
        """Whether the log is whole and unchanged."""
        return self._hub.get("audit", "verify", into=AuditReport)
