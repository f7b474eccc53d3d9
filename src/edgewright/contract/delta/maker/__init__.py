"""The maker's side of deltas: finds tensors, pairs them, plans, encodes and proves. A device never loads it."""

from edgewright.contract.delta.maker.making import DeltaUnproven, make, make_bytes, stats
from edgewright.contract.delta.maker.stats import DeltaStats, Operation, TensorStats

__all__ = ["DeltaStats", "DeltaUnproven", "Operation", "TensorStats", "make", "make_bytes", "stats"]
