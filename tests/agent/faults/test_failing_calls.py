"""A call that fails, once, thrice or from then on, costs no model: the agent tries again, and tells what it gave up."""

from __future__ import annotations

import pytest
from faults.running import SEED, check, needs_ptrace, run_rig
from faults.tracing import can_inject

STRIDE = 61
STRIDES = {"install": 3, "update": 3, "delta": 5, "failed trial": 5, "rollback": 2, "claim": 1, "spool": 2, "facts": 1}
LONGER = ("crashes", "chain", "two models", "condensing")

pytestmark = [needs_ptrace, pytest.mark.skipif(not can_inject(), reason="calls are changed on x86-64 only")]


def test_some_calls_of_an_update_fail_and_a_model_works(tell_figure):
    tally = run_rig(tell_figure, "fail", "update", stride=STRIDE, offset=SEED % STRIDE)

    check(tally, "fail")
    assert tally.points > 15


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", STRIDES)
def test_every_call_fails_and_a_model_works(scenario, tell_figure):
    stride = STRIDES[scenario]
    tally = run_rig(tell_figure, "fail", scenario, stride=stride, offset=SEED % stride)

    check(tally, "fail")


@pytest.mark.e2e
def test_the_rig_notices_an_agent_that_takes_every_error_for_damage(tell_figure):
    tally = run_rig(tell_figure, "fail", "rollback", stride=3, without="reads again")

    assert tally.failures


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [*(name for name, stride in STRIDES.items() if stride > 1), *LONGER])
def test_every_call_fails_in_every_way_and_a_model_works(scenario, tell_figure):
    check(run_rig(tell_figure, "fail", scenario), "fail")
