"""Segments: a version's fleet, its cohorts and devices, each watched by the detectors that fit it."""

from edgewright.hub.observe.segments.model import WHOLE, Segment, is_watched, stands_without_liars, watched_cohorts
from edgewright.hub.observe.segments.watching import Place, Watch

__all__ = ["WHOLE", "Place", "Segment", "Watch", "is_watched", "stands_without_liars", "watched_cohorts"]
