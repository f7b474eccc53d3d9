"""A worker: any machine that does tasks for a hub, which it asks for them over HTTP."""

from edgewright.worker.line import Line
from edgewright.worker.machine import describe
from edgewright.worker.working import Stopping, Working

__all__ = ["Line", "Stopping", "Working", "describe"]
