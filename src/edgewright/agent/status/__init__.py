"""What is on this device: read from its folder without disturbing the agent, and asked of the agent where one runs."""

from edgewright.agent.status.facts import LiveState, ModelStatus, Status, WorkerFacts
from edgewright.agent.status.reading import read_status
from edgewright.agent.status.text import to_text

__all__ = ["LiveState", "ModelStatus", "Status", "WorkerFacts", "read_status", "to_text"]
