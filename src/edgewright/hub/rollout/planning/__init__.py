"""Planning: from a draft to which device gets which package in which wave, before anything is started."""

from edgewright.hub.rollout.planning.fit import NoDeviceFits, Offer, choose, misfit
from edgewright.hub.rollout.planning.order import canary_order, reachable
from edgewright.hub.rollout.planning.plan import Plan, make_plan
from edgewright.hub.rollout.planning.waves import PlannedWave, check_waves, plan_waves, wave_drafts

__all__ = [
    "NoDeviceFits",
    "Offer",
    "Plan",
    "PlannedWave",
    "canary_order",
    "check_waves",
    "choose",
    "make_plan",
    "misfit",
    "plan_waves",
    "reachable",
    "wave_drafts",
]
