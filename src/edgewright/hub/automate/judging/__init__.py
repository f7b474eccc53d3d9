"""Judging: a challenger against the champion on the same rows, by group, with intervals and declared rules."""

from edgewright.hub.automate.judging.promotion import check_rules, promote
from edgewright.hub.automate.judging.service import Judging, UnknownEvaluation

__all__ = ["Judging", "UnknownEvaluation", "check_rules", "promote"]
