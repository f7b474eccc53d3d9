"""Rehearsals: rollouts played on a simulated copy of this fleet, in a process of their own."""

from edgewright.hub.rehearsals.service import Rehearsals

__all__ = ["Rehearsals"]
