"""Deltas: which ones pay for a device, which ones the fleet needs, and how they are made and kept."""

from edgewright.hub.packaging.deltas.planning import Plan, plan_fetches
from edgewright.hub.packaging.deltas.store import DeltaRow, Deltas

__all__ = ["DeltaRow", "Deltas", "Plan", "plan_fetches"]
