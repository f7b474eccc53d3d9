"""Automate: pipelines, training, champion and challenger, and the triggers that close the loop."""

from edgewright.hub.automate.repair import NEWS, Repair
from edgewright.hub.automate.service import Automate
from edgewright.hub.automate.triggers import Firing, Listening, Ticking, Triggers

__all__ = ["NEWS", "Automate", "Firing", "Listening", "Repair", "Ticking", "Triggers"]
