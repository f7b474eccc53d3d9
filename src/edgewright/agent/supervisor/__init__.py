"""The supervisor: the keeper looks after whatever runs on this device, delivery brings what shall run.

They are two threads, so that a hub which dawdles holds up nobody who serves. Neither imports a runtime or numpy:
nothing that a model does can harm them.
"""

from edgewright.agent.supervisor.condensing import Condensing
from edgewright.agent.supervisor.delivery import Delivery
from edgewright.agent.supervisor.keeper import Keeper
from edgewright.agent.supervisor.supervisor import Supervisor
from edgewright.agent.supervisor.thrift import Thrift

__all__ = [
    "Condensing",
    "Delivery",
    "Keeper",
    "Supervisor",
    "Thrift",
]
