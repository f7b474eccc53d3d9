"""Planning: from a draft to which device gets which package in which wave, before anything is started."""

from edgewright.hub.rollout.planning.checks import check_draft, is_zone
from edgewright.hub.rollout.planning.doubts import doubts
from edgewright.hub.rollout.planning.fit import Fits, Measured, MeasuredOf, NoDeviceFits, Offer, choose, misfit
from edgewright.hub.rollout.planning.fitting import who_fits, who_fits_nothing
from edgewright.hub.rollout.planning.forecast import forecast, page_misfits
from edgewright.hub.rollout.planning.order import canary_order, reachable
from edgewright.hub.rollout.planning.plan import Past, Plan, make_plan
from edgewright.hub.rollout.planning.waves import PlannedWave, check_waves, plan_waves, selector_models, wave_drafts

__all__ = [
    "Fits",
    "Measured",
    "MeasuredOf",
    "NoDeviceFits",
    "Offer",
    "Past",
    "Plan",
    "PlannedWave",
    "canary_order",
    "check_draft",
    "check_waves",
    "choose",
    "doubts",
    "forecast",
    "is_zone",
    "make_plan",
    "misfit",
    "page_misfits",
    "plan_waves",
    "reachable",
    "selector_models",
    "wave_drafts",
    "who_fits",
    "who_fits_nothing",
]
