"""Selectors: which devices are meant, and why one is or is not."""

from edgewright.hub.fleet.selecting.selector import ALL, Finding, Selector

__all__ = ["ALL", "Finding", "Selector"]
