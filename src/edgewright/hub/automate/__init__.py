"""Automate: pipelines, training, champion and challenger, and the triggers that close the loop."""

from edgewright.hub.automate.triggers import Firing, Listening, Ticking, Triggers

__all__ = ["Firing", "Listening", "Ticking", "Triggers"]
