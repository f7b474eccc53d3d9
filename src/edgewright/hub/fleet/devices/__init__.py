"""Devices: their records, their states, what they measure of themselves, and whether a key is in one place only."""

from edgewright.hub.fleet.devices.capabilities import check_machine, columns_of, learn
from edgewright.hub.fleet.devices.clones import Clones
from edgewright.hub.fleet.devices.lives import is_next
from edgewright.hub.fleet.devices.records import Records, with_desired
from edgewright.hub.fleet.devices.rollcall import RollCall
from edgewright.hub.fleet.devices.states import DeviceMovedOn, Step
from edgewright.hub.fleet.devices.steering import Steering, device_row

__all__ = [
    "Clones",
    "DeviceMovedOn",
    "Records",
    "RollCall",
    "Steering",
    "Step",
    "check_machine",
    "columns_of",
    "device_row",
    "is_next",
    "learn",
    "with_desired",
]
