"""Pages on which people look and act: alerts, triggers, runs and approvals, with their forms and the same as data."""

from edgewright.hub.web.acting import alerts, approvals, runs, triggers

HANDLERS = (*alerts.HANDLERS, *triggers.HANDLERS, *runs.HANDLERS, *approvals.HANDLERS)

__all__ = ["HANDLERS"]
