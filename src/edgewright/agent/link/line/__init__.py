"""One connection to somebody: how long it may take, who the other side is, what it costs, what its no means."""

from edgewright.agent.link.line.connection import TimedConnection
from edgewright.agent.link.line.deadline import Deadline, Patience, TooSlow
from edgewright.agent.link.line.odometer import Meter, Uncounted
from edgewright.agent.link.line.replies import (
    Later,
    NotTheHub,
    TurnedAway,
    check_sender,
    foreign_errors_told,
    raise_for,
    raise_for_hub,
    retry_after_s,
)
from edgewright.agent.link.line.tls import NotTrusted, Tls

__all__ = [
    "Deadline",
    "Later",
    "Meter",
    "NotTheHub",
    "NotTrusted",
    "Patience",
    "TimedConnection",
    "Tls",
    "TooSlow",
    "TurnedAway",
    "Uncounted",
    "check_sender",
    "foreign_errors_told",
    "raise_for",
    "raise_for_hub",
    "retry_after_s",
]
