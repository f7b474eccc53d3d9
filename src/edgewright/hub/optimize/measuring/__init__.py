"""Measuring: what a variant is worth and what it costs, against its source, in fresh processes."""

from edgewright.hub.optimize.measuring.measure import measure_all
from edgewright.hub.optimize.measuring.metrics import metric_of
from edgewright.hub.optimize.measuring.model import Measurement, Rows, Subject

__all__ = ["Measurement", "Rows", "Subject", "measure_all", "metric_of"]
