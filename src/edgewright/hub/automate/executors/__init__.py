"""Executors: the places where commands run, behind one door."""

from edgewright.hub.automate.executors.local import Local
from edgewright.hub.automate.executors.model import HERE, Executor, Finished, Limits, Place, Task, Where

__all__ = ["HERE", "Executor", "Finished", "Limits", "Local", "Place", "Task", "Where"]
