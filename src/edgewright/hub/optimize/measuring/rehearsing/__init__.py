"""Rehearsing: a variant's golden vectors in every runtime here, and on an emulated processor."""

from edgewright.hub.optimize.measuring.rehearsing.confirm import confirm

__all__ = ["confirm"]
