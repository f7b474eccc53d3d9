"""Policies: which steps of a pipeline go on without a person, and one list of all that waits for people."""

from edgewright.hub.automate.policies.desk import Desk
from edgewright.hub.automate.policies.model import StepFacts, may_go_on
from edgewright.hub.automate.policies.service import Policies

__all__ = ["Desk", "Policies", "StepFacts", "may_go_on"]
