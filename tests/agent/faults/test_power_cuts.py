"""Whatever a power cut leaves of what was not synced boots into a working model, and so after a second cut."""

from __future__ import annotations

import os

import pytest
from faults.running import SEED, check, needs_ptrace, run_rig

DRAWS = {
    "install": 700,
    "update": 700,
    "delta": 700,
    "failed trial": 700,
    "rollback": 400,
    "claim": 200,
    "spool": 700,
    "facts": 100,
    "crashes": 400,
    "chain": 400,
    "two models": 200,
}
MORE = float(os.environ.get("EDGEWRIGHT_MUTANTS", "1"))
LACKING = ("syncs", "folder syncs", "saves first")

pytestmark = needs_ptrace


def test_some_states_that_a_power_cut_may_leave_boot_into_a_working_model(tell_figure):
    tally = run_rig(tell_figure, "cut", "update", draws=60, seed=SEED)

    check(tally, "cut")
    assert tally.states > 60


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", DRAWS)
def test_states_that_a_power_cut_may_leave_boot_into_a_working_model(scenario, tell_figure):
    tally = run_rig(tell_figure, "cut", scenario, draws=DRAWS[scenario], seed=SEED)

    check(tally, "cut")


@pytest.mark.e2e
@pytest.mark.parametrize("lack", LACKING)
@pytest.mark.parametrize("scenario", ["install", "update"])
def test_the_rig_notices_an_agent_that_lacks_what_keeps_it_whole(lack, scenario, tell_figure):
    tally = run_rig(tell_figure, "cut", scenario, draws=150, seed=SEED, without=lack)

    assert tally.failures > tally.states / 50


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [*DRAWS, "condensing"])
def test_many_more_states_that_a_power_cut_may_leave_boot_into_a_working_model(scenario, tell_figure):
    tally = run_rig(tell_figure, "cut", scenario, draws=round(4000 * MORE), seed=SEED)

    check(tally, "cut")
