"""The lake: Delta Lake tables of samples and labels, for years and for other tools; what is current stays in SQL."""

from edgewright.hub.data.lake.mover import Mover
from edgewright.hub.data.lake.tables import Lake, LakeAway, LakeTable

__all__ = ["Lake", "LakeAway", "LakeTable", "Mover"]
