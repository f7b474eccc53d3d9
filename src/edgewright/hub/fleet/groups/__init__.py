"""Groups: which devices are in them, how many, and why one is or is not."""

from edgewright.hub.fleet.groups.membership import Group, why
from edgewright.hub.fleet.groups.service import GroupExists, Groups

__all__ = ["Group", "GroupExists", "Groups", "why"]
