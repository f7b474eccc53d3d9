"""Pages on which people look and act: alerts, triggers, runs and approvals, with their forms and the same as data."""

from edgewright.hub.web.acting import alerts

HANDLERS = (*alerts.HANDLERS,)

__all__ = ["HANDLERS"]
