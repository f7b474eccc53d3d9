"""Running rollouts: who may begin, what devices are told, what they answer, and what becomes of a wave."""

from edgewright.hub.rollout.running.desk import Desk
from edgewright.hub.rollout.running.offers import Offers, Orders
from edgewright.hub.rollout.running.reports import Reports
from edgewright.hub.rollout.running.steering import CannotGoBack, NothingToPromote, Steering
from edgewright.hub.rollout.running.waves import Looked, Waves

__all__ = [
    "CannotGoBack",
    "Desk",
    "Looked",
    "NothingToPromote",
    "Offers",
    "Orders",
    "Reports",
    "Steering",
    "Waves",
]
