"""Observation: profiles from devices, what detectors find in them, alerts, and where these are told."""

from edgewright.hub.observe.alerts import Alerts
from edgewright.hub.observe.building import Observation, build
from edgewright.hub.observe.routes import Routes
from edgewright.hub.observe.service import Observe
from edgewright.hub.observe.upkeep import Upkeep

__all__ = ["Alerts", "Observation", "Observe", "Routes", "Upkeep", "build"]
