"""Telling of a change of the fleet: to the audit log and to whoever listens, in the change's own transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from edgewright.hub.events import Events
from edgewright.hub.govern import Audit


class Announcer:
    """Records what happened to devices and groups, and who did it."""

    def __init__(self, events: Events, audit: Audit) -> None:
        self._events = events
        self._audit = audit

    def of_device(self, connection: sa.Connection, actor: str, action: str, device: str, **detail: Any) -> None:
        """Tell what happened to one device."""
        self._audit.record(connection, actor, action, device, **detail)
        self._events.record(connection, action, device, **detail, by=actor, device=device)

    def of_group(self, connection: sa.Connection, actor: str, action: str, group: str, **detail: Any) -> None:
        """Tell what happened to one group."""
        self._audit.record(connection, actor, action, group, **detail)
        self._events.record(connection, action, group, **detail, by=actor, group=group)

    def of_claims(self, connection: sa.Connection, actor: str, **detail: Any) -> None:
        """Tell that claim tokens were made."""
        self._audit.record(connection, actor, "fleet.claimed", "claim", **detail)
        self._events.record(connection, "fleet.claimed", "claim", **detail, by=actor)
