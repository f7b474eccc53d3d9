"""The maker's side of deltas: finds tensors, pairs them, plans, encodes and proves. A device never loads it."""

from edgewright.contract.delta.maker.making import DeltaStats, DeltaUnproven, make, make_bytes

__all__ = ["DeltaStats", "DeltaUnproven", "make", "make_bytes"]
