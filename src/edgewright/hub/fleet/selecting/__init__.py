"""Selectors: which devices are meant, and why one is or is not."""

from edgewright.hub.fleet.selecting.selector import Finding, Selector
from edgewright.hub.fleet.selecting.terms import ALL

__all__ = ["ALL", "Finding", "Selector"]
