"""The targets of one hub: those of the library, and those that its people have added."""

from edgewright.hub.optimize.targeting.service import TargetExists, Targets, TargetUsed

__all__ = ["TargetExists", "TargetUsed", "Targets"]
