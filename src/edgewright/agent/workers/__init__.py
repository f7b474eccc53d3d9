"""The supervisor's side of serving workers: one process a model, started on demand, replaced without loss.

It knows nothing of runtimes, and imports no numpy.
"""

from edgewright.agent.workers.keeping import Workers, WorkerState
from edgewright.agent.workers.states import Phase

__all__ = ["Phase", "WorkerState", "Workers"]
