"""Profiles from devices, and drift found in them."""

from edgewright.hub.observe.service import Observe

__all__ = ["Observe"]
