"""What the fleet's profiles show: drift, alerts and usage."""

from __future__ import annotations

from edgewright.client.transport import Transport
from edgewright.contract.api import AlertRecord, DriftStatus, UsageRecord


class Alerts:
    """Drift and its explanations; a `model` of "" stands for all."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def drift(self, model: str) -> tuple[DriftStatus, ...]:
        """The state of each version in the fleet."""
        return self._hub.get("drift", into=tuple[DriftStatus, ...], model=model)

    def list(self, model: str) -> tuple[AlertRecord, ...]:
        """The alerts."""
        return self._hub.get("alerts", into=tuple[AlertRecord, ...], model=model)

    def usage(self, model: str) -> tuple[UsageRecord, ...]:
        """Totals by version and device."""
        return self._hub.get("usage", into=tuple[UsageRecord, ...], model=model)
