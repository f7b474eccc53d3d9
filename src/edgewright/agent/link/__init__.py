"""The way to the hub and back: requests and when to make them, what is believed of the answers, enrolment."""

from edgewright.agent.link.allowance import GIVEN, Allowance, AllowanceState, Leave, day_end
from edgewright.agent.link.blobs import BlobLine, NearFirst, Throttle
from edgewright.agent.link.enrolment import enrol
from edgewright.agent.link.exchange import Exchange
from edgewright.agent.link.hub import Link
from edgewright.agent.link.line import (
    Deadline,
    Later,
    Meter,
    Patience,
    TimedConnection,
    Tls,
    TooSlow,
    TurnedAway,
    Uncounted,
)
from edgewright.agent.link.schedule import Chance, Schedule
from edgewright.agent.link.signed_time import ClockFact, SignedTime, device_time, read_clock

__all__ = [
    "Allowance",
    "AllowanceState",
    "BlobLine",
    "Chance",
    "ClockFact",
    "Deadline",
    "Exchange",
    "GIVEN",
    "Later",
    "Leave",
    "Link",
    "NearFirst",
    "Meter",
    "Patience",
    "Schedule",
    "SignedTime",
    "Throttle",
    "TimedConnection",
    "Tls",
    "TooSlow",
    "TurnedAway",
    "Uncounted",
    "day_end",
    "device_time",
    "enrol",
    "read_clock",
]
