"""What the fleet's profiles show: drift, usage, alerts, and where these are told."""

from __future__ import annotations

from edgewright.client.transport import Transport
from edgewright.contract.api import (
    AlertEdit,
    AlertKind,
    AlertLevel,
    AlertRecord,
    AlertState,
    DriftStatus,
    RouteDraft,
    RouteRecord,
    RouteTest,
    SegmentRecord,
    Severity,
    UsageRecord,
    Verdict,
)


class Drift:
    """What versions see, against what they learned; a `model` of "" stands for all."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def status(self, model: str) -> tuple[DriftStatus, ...]:
        """The state of each version in the fleet."""
        return self._hub.get("drift", into=tuple[DriftStatus, ...], model=model)

    def segments(self, model: str, version: int) -> tuple[SegmentRecord, ...]:
        """What each detector says of each segment of a version that it watches."""
        return self._hub.get("drift", model, version, "segments", into=tuple[SegmentRecord, ...])

    def usage(self, model: str) -> tuple[UsageRecord, ...]:
        """Totals by version and device."""
        return self._hub.get("usage", into=tuple[UsageRecord, ...], model=model)


class Alerts:
    """What detectors have found, and what people make of it. A dry run returns the alert as it is."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def list(
        self,
        model: str = "",
        *,
        kind: AlertKind | None = None,
        level: AlertLevel | None = None,
        state: AlertState | None = None,
        severity: Severity = Severity.INFO,
        live: bool = False,
        limit: int = 200,
    ) -> tuple[AlertRecord, ...]:
        """The alerts, the newest first; `live` leaves out those that are resolved."""
        query = {name: str(value) for name, value in (("kind", kind), ("level", level), ("state", state)) if value}
        return self._hub.get(
            "alerts", into=tuple[AlertRecord, ...], model=model, severity=str(severity), live=live, limit=limit, **query
        )

    def get(self, id: str) -> AlertRecord:
        """One alert with what was written beside it."""
        return self._hub.get("alerts", id, into=AlertRecord)

    def acknowledge(self, id: str, comment: str = "", *, dry_run: bool = False) -> AlertRecord:
        """Say that somebody looks after it."""
        return self._act(id, "acknowledge", AlertEdit(comment=comment), dry_run)

    def snooze(self, id: str, until: float, comment: str = "", *, dry_run: bool = False) -> AlertRecord:
        """Be quiet about it until then, in seconds since the epoch."""
        return self._act(id, "snooze", AlertEdit(comment=comment, until=until), dry_run)

    def reopen(self, id: str, comment: str = "", *, dry_run: bool = False) -> AlertRecord:
        """Open it again."""
        return self._act(id, "reopen", AlertEdit(comment=comment), dry_run)

    def resolve(
        self, id: str, verdict: Verdict = Verdict.UNKNOWN, comment: str = "", *, dry_run: bool = False
    ) -> AlertRecord:
        """Settle it; its detectors begin afresh."""
        return self._act(id, "resolve", AlertEdit(comment=comment, verdict=verdict), dry_run)

    def comment(self, id: str, text: str, *, dry_run: bool = False) -> AlertRecord:
        """Write something beside it."""
        return self._act(id, "comments", AlertEdit(comment=text), dry_run)

    def _act(self, id: str, verb: str, edit: AlertEdit, dry_run: bool) -> AlertRecord:
        return self._hub.post("alerts", id, verb, body=edit, into=AlertRecord, dry_run=dry_run)


class AlertRoutes:
    """Where alerts are told."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def put(self, draft: RouteDraft, *, dry_run: bool = False) -> RouteRecord:
        """Set a route; `new_secret` of the reply is shown this once."""
        return self._hub.post("alert-routes", body=draft, into=RouteRecord, dry_run=dry_run)

    def list(self) -> tuple[RouteRecord, ...]:
        """All routes, without their secrets."""
        return self._hub.get("alert-routes", into=tuple[RouteRecord, ...])

    def remove(self, name: str, *, dry_run: bool = False) -> RouteRecord:
        """Tell nothing there any more."""
        return self._hub.delete("alert-routes", name, into=RouteRecord, dry_run=dry_run)

    def test(self, name: str) -> RouteTest:
        """Tell an alert there that is none."""
        return self._hub.post("alert-routes", name, "test", body={}, into=RouteTest)
