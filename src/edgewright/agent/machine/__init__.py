"""One model's install machine, and what the machines of a device share."""

from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.machine.machine import Machine, NothingToGoBackTo

__all__ = ["Equipment", "Machine", "NothingToGoBackTo"]
