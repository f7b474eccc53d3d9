"""Where occasions come from: the hub's events, its clock, and pushes to repositories."""

from edgewright.hub.automate.triggers.sources.listening import Listening
from edgewright.hub.automate.triggers.sources.pushes import MAX_BODY_BYTES, check_proof

__all__ = ["MAX_BODY_BYTES", "Listening", "check_proof"]
