"""Fleet: devices, how they enrol and hold a session, the groups they are in, and what they report of themselves."""

from edgewright.hub.fleet.devices import with_desired
from edgewright.hub.fleet.facts import DeviceFacts, Machine, hardware_class
from edgewright.hub.fleet.model import (
    MAX_PAGE,
    POLLS_MISSED,
    ClaimExpired,
    ClaimUsed,
    Desired,
    DeviceRevoked,
    Seen,
    SessionEnded,
    StaleNonce,
    UnknownClaim,
    UnknownDevice,
)
from edgewright.hub.fleet.reported import chunks
from edgewright.hub.fleet.selecting import Selector
from edgewright.hub.fleet.service import Fleet
from edgewright.hub.fleet.timeline import Until, entry_of

__all__ = [
    "MAX_PAGE",
    "POLLS_MISSED",
    "ClaimExpired",
    "ClaimUsed",
    "Desired",
    "DeviceFacts",
    "DeviceRevoked",
    "Fleet",
    "Machine",
    "Seen",
    "Selector",
    "SessionEnded",
    "StaleNonce",
    "UnknownClaim",
    "UnknownDevice",
    "Until",
    "chunks",
    "entry_of",
    "hardware_class",
    "with_desired",
]
