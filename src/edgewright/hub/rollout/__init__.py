"""Rollouts: a release's way to a group of devices in growing waves, each passed by a gate on what devices report."""

from edgewright.hub.rollout.carried import Carried
from edgewright.hub.rollout.directives import BelowFloor, Directives
from edgewright.hub.rollout.gates import decide, shadow_policy
from edgewright.hub.rollout.model import (
    EmptyGroup,
    ReleaseNotReady,
    RolloutMovedOn,
    RolloutOverlaps,
)
from edgewright.hub.rollout.packages import Packages
from edgewright.hub.rollout.planner import Figures
from edgewright.hub.rollout.planning import NoDeviceFits, check_waves, plan_waves
from edgewright.hub.rollout.service import Rollouts
from edgewright.hub.rollout.succession import Succession

__all__ = [
    "BelowFloor",
    "Carried",
    "Directives",
    "EmptyGroup",
    "Figures",
    "NoDeviceFits",
    "Packages",
    "ReleaseNotReady",
    "RolloutMovedOn",
    "RolloutOverlaps",
    "Rollouts",
    "Succession",
    "check_waves",
    "decide",
    "plan_waves",
    "shadow_policy",
]
