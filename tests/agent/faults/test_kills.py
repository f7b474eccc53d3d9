"""SIGKILL before, within and after every system call leaves a working model, and no promise broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.running import SEED, check, needs_ptrace, run_rig

STRIDE = 29
EVERYWHERE = ("install", "update", "delta", "failed trial", "rollback", "claim", "spool", "facts", "crashes", "renewal")
LONGER = ("chain", "two models", "condensing")

pytestmark = needs_ptrace


def test_a_kill_at_some_system_calls_of_an_update_leaves_a_working_model(tell_figure):
    tally = run_rig(tell_figure, "kill", "update", stride=STRIDE, offset=SEED % STRIDE)

    check(tally, "kill")
    assert tally.points > 10


def test_the_page_of_faults_names_every_scenario():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "faults.md").read_text()

    assert [name for name in (*EVERYWHERE, *LONGER) if f"`{name}`" not in page] == []


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", EVERYWHERE)
def test_a_kill_at_every_system_call_leaves_a_working_model(scenario, tell_figure):
    tally = run_rig(tell_figure, "kill", scenario)

    check(tally, "kill")
    assert tally.points >= tally.calls > 50


@pytest.mark.e2e
def test_the_rig_notices_an_agent_that_saves_only_after_it_has_acted(tell_figure):
    tally = run_rig(tell_figure, "kill", "update", stride=5, without="saves first")

    assert tally.failures


@pytest.mark.slow
@pytest.mark.parametrize("scenario", LONGER)
def test_a_kill_at_every_system_call_of_what_takes_longer_leaves_a_working_model(scenario, tell_figure):
    check(run_rig(tell_figure, "kill", scenario), "kill")
