"""Executors: the places where commands run, behind one door."""

from edgewright.hub.automate.executors.ci import Ci, Style
from edgewright.hub.automate.executors.everywhere import Executors
from edgewright.hub.automate.executors.local import Local
from edgewright.hub.automate.executors.model import HERE, Executor, Finished, Limits, Place, Task, Where
from edgewright.hub.automate.executors.ray import RayJobs

__all__ = [
    "HERE",
    "Ci",
    "Executor",
    "Executors",
    "Finished",
    "Limits",
    "Local",
    "Place",
    "RayJobs",
    "Style",
    "Task",
    "Where",
]
