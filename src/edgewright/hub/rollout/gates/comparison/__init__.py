"""Canary against control: whether devices on the new version fail more often than those on the one before.

Two tests share the false-alarm rate. Where there are devices and failures enough, a mixture sequential probability
ratio test that is valid at every look; else an exact permutation test at looks that lie ever farther apart. Both take
devices, never requests, as what varies, and subtract what each device's own past foretells. See docs/adr/0027.
"""

from edgewright.hub.rollout.gates.comparison.arms import Arm, Surplus, surplus
from edgewright.hub.rollout.gates.comparison.compare import Comparison, Method, compare
from edgewright.hub.rollout.gates.comparison.mixture import mixture_p

__all__ = ["Arm", "Comparison", "Method", "Surplus", "compare", "mixture_p", "surplus"]
