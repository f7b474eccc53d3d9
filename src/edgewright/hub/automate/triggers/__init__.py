"""Triggers: rules that start runs by request, time, data, code or alerts, and what became of each occasion."""

from edgewright.hub.automate.triggers.firing import Begin, Firing, IsLive
from edgewright.hub.automate.triggers.model import Frozen, Occasion, PushTooLarge, Raised
from edgewright.hub.automate.triggers.service import Triggers
from edgewright.hub.automate.triggers.sources import MAX_BODY_BYTES, Listening, check_proof
from edgewright.hub.automate.triggers.ticking import Ticking

__all__ = [
    "MAX_BODY_BYTES",
    "Begin",
    "Firing",
    "Frozen",
    "IsLive",
    "Listening",
    "Occasion",
    "PushTooLarge",
    "Raised",
    "Ticking",
    "Triggers",
    "check_proof",
]
