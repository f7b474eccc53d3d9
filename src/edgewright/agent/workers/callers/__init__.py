"""Who calls a model's socket: those who wait for a worker, and those who are told to come again."""

from edgewright.agent.workers.callers.listener import Listener
from edgewright.agent.workers.callers.turned_away import TurnedAway, unavailable

__all__ = ["Listener", "TurnedAway", "unavailable"]
