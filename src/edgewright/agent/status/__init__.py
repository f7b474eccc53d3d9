"""What is on this device: read from its folder without disturbing the agent, and asked of the agent where one runs."""

from edgewright.agent.status.facts import AppFacts, LiveState, ModelFacts, ModelStatus, Status, WorkerFacts
from edgewright.agent.status.reading import folder_bytes, model_facts, model_names, model_status, read_status
from edgewright.agent.status.text import amount, span, to_text

__all__ = [
    "AppFacts",
    "LiveState",
    "ModelFacts",
    "ModelStatus",
    "Status",
    "WorkerFacts",
    "amount",
    "folder_bytes",
    "model_facts",
    "model_names",
    "model_status",
    "read_status",
    "span",
    "to_text",
]
