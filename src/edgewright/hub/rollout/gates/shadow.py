"""How far a candidate must agree with the running model in its shadow phase on the device."""

from __future__ import annotations

import math

from edgewright.contract.api import GateDraft
from edgewright.contract.order import Shadow

SHADOW_MARGIN = 0.10
SHADOW_SIGMAS = 3.0


def shadow_policy(gate: GateDraft, expected_agreement: float | None) -> Shadow | None:
    """How far a candidate must agree with the running model on the device.

    A challenger that labelled data show to be better may disagree with its champion on purpose. Where their
    agreement there is known, the bar lies below it, if that is lower than the gate's: by `SHADOW_MARGIN`, since the
    field is not the hold-out, and by `SHADOW_SIGMAS` standard errors of a share of so few requests (binomial), since
    each of many devices must pass.
    """
    if gate.shadow_requests == 0:
        return None
    agreement = gate.shadow_agreement
    if expected_agreement is not None:
        expected = min(expected_agreement, 1.0)
        error = math.sqrt(expected * (1.0 - expected) / gate.shadow_requests)
        agreement = min(agreement, max(0.0, expected - SHADOW_MARGIN - SHADOW_SIGMAS * error))
    return Shadow(min_requests=gate.shadow_requests, min_agreement=agreement, max_wait_s=gate.shadow_wait_s)
