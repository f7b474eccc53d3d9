"""Pages of devices, groups and rollouts: lists, one of each, the parts that are polled, and the same as data."""

from edgewright.hub.web.browsing import devices, groups, rollouts

HANDLERS = (*devices.HANDLERS, *groups.HANDLERS, *rollouts.HANDLERS)

__all__ = ["HANDLERS"]
