"""Every detector that is installed passes the checks that all must pass."""

from __future__ import annotations

import pytest

from edgewright.hub.observe.detectors import detector, names
from edgewright.hub.observe.detectors.checks import (
    ALL_CHECKS,
    check_hostile_state,
    check_promises,
)

QUICK = (check_promises, check_hostile_state)
E2E = [pytest.param(check, marks=pytest.mark.e2e) for check in ALL_CHECKS if check not in QUICK]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("check", [*QUICK, *E2E], ids=lambda check: check.__name__)
def test_every_detector_passes(check, name):
    check(detector(name))
