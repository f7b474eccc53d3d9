"""Fleet: devices, how they enrol and hold a session, the groups they are in, and what they report of themselves."""

from edgewright.hub.fleet.facts import DeviceFacts, Machine, hardware_class
from edgewright.hub.fleet.model import (
    ClaimExpired,
    ClaimUsed,
    Desired,
    DeviceRevoked,
    SessionEnded,
    StaleNonce,
    UnknownClaim,
    UnknownDevice,
)
from edgewright.hub.fleet.selecting import Selector
from edgewright.hub.fleet.service import Fleet

__all__ = [
    "ClaimExpired",
    "ClaimUsed",
    "Desired",
    "DeviceFacts",
    "DeviceRevoked",
    "Fleet",
    "Machine",
    "Selector",
    "SessionEnded",
    "StaleNonce",
    "UnknownClaim",
    "UnknownDevice",
    "hardware_class",
]
