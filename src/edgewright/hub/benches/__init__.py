"""Benches: what enrolled devices measure of signed releases, and the figures that come of it."""

from edgewright.hub.benches.figures import DeviceFigures
from edgewright.hub.benches.model import NothingToMeasure
from edgewright.hub.benches.service import Benches

__all__ = ["Benches", "DeviceFigures", "NothingToMeasure"]
