"""One worker process: how it is started and measured, and the watch over it."""

from edgewright.agent.workers.child.process import COMMAND, Plan, Worker
from edgewright.agent.workers.child.ward import REAP_S, End, Ward

__all__ = ["COMMAND", "End", "Plan", "REAP_S", "Ward", "Worker"]
