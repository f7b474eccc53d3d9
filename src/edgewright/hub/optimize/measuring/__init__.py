"""Measuring: what a variant is worth and what it costs, against its source, in fresh processes."""

from edgewright.hub.optimize.measuring.measure import measure_all
from edgewright.hub.optimize.measuring.metrics import metric_of
from edgewright.hub.optimize.measuring.model import Measurement, Rehearsal, Rows, Subject
from edgewright.hub.optimize.measuring.rehearsing import confirm

__all__ = ["Measurement", "Rehearsal", "Rows", "Subject", "confirm", "measure_all", "metric_of"]
