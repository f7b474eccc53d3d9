"""What is wrong with this device and how to mend it, found without disturbing the agent."""

from edgewright.agent.doctor.examine import CHECKS, examine
from edgewright.agent.doctor.finding import Case, Finding, Verdict

__all__ = ["CHECKS", "Case", "Finding", "Verdict", "examine"]
