"""One model's install machine, and what the machines of a device share."""

from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.machine.machine import Machine, NothingToGoBackTo
from edgewright.agent.machine.terms import LeaseOver
from edgewright.agent.machine.traffic import Traffic

__all__ = ["Equipment", "LeaseOver", "Machine", "NothingToGoBackTo", "Traffic"]
