"""Automate: pipelines, training, champion and challenger, and the triggers that close the loop."""

from edgewright.hub.automate.evaluation import Evaluations
from edgewright.hub.automate.repair import NEWS, Repair
from edgewright.hub.automate.service import Automate

__all__ = ["NEWS", "Automate", "Evaluations", "Repair"]
