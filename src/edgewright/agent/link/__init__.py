"""The way to the hub and back: requests and when to make them, what is believed of the answers, enrolment."""

from edgewright.agent.link.blobs import BlobLine
from edgewright.agent.link.deadline import Deadline, Patience, TimedConnection, TooSlow
from edgewright.agent.link.enrolment import enrol, load_key
from edgewright.agent.link.exchange import Exchange, SignedTime
from edgewright.agent.link.hub import Link
from edgewright.agent.link.neighbour import NearFirst
from edgewright.agent.link.schedule import Chance, Schedule
from edgewright.agent.link.throttle import Throttle

__all__ = [
    "BlobLine",
    "Chance",
    "Deadline",
    "Exchange",
    "Link",
    "NearFirst",
    "Patience",
    "Schedule",
    "SignedTime",
    "Throttle",
    "TimedConnection",
    "TooSlow",
    "enrol",
    "load_key",
]
