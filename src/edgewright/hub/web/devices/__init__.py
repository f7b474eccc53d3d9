"""The devices' doors, as raw ASGI in front of the framework: they are called most, and must cost least."""

from edgewright.hub.web.devices.doors import DeviceDoors
from edgewright.hub.web.devices.protocol import protocol_of
from edgewright.hub.web.devices.stretching import DEFAULT_POLL_S, Load
from edgewright.hub.web.devices.wire import MAX_BODY_BYTES, PREFIX, Receive, Scope, Send

__all__ = [
    "DEFAULT_POLL_S",
    "MAX_BODY_BYTES",
    "PREFIX",
    "DeviceDoors",
    "Load",
    "Receive",
    "Scope",
    "Send",
    "protocol_of",
]
