"""Alerts: from a detector's alarm to the word of a person on what it was."""

from edgewright.hub.observe.alerts.model import Act, Alarm, UnknownAlert, severity_of, state_after
from edgewright.hub.observe.alerts.service import Alerts, Wanted
from edgewright.hub.observe.alerts.table import LIVE

__all__ = ["LIVE", "Act", "Alarm", "Alerts", "UnknownAlert", "Wanted", "severity_of", "state_after"]
