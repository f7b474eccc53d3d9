"""Deltas: which ones pay for a device, which ones the fleet needs, and how they are made and kept."""

from edgewright.hub.packaging.deltas.planning import FETCH_BYTES, MAX_FETCHES, Plan, plan_fetches
from edgewright.hub.packaging.deltas.service import Deltas, Limits

__all__ = ["FETCH_BYTES", "MAX_FETCHES", "Deltas", "Limits", "Plan", "plan_fetches"]
