"""What an alert starts: at most one repair, within cooldown and budget, with the reason on record."""

from __future__ import annotations

import pytest

from edgewright.contract.api import RunState, TriggerDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.model import UnknownPipeline


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watched(automate, pipeline, ana):
    """The model `lines` with a trigger: a cooldown of 100 s, a budget of two runs."""
    automate.put_pipeline(ana, pipeline("pass"))
    automate.put_trigger(ana, TriggerDraft(model="lines", cooldown_s=100.0, max_runs=2))
    return automate


@pytest.fixture
def alert(db, events, watched):
    """Raise an alert, and let everybody hear of it."""

    def alert(id, model="lines"):
        with db.write() as connection:
            events.record(connection, "observe.alert", id, alert=id, model=model, version=1)
        events.deliver()

    return alert


def end(jobs, run):
    jobs.note(run, state=RunState.DONE, ended=True)


def decisions(audit):
    """What the audit log says of triggers, oldest first."""
    decided = ("trigger.fire", "trigger.hold")
    return [(entry.action, entry.detail["alert"]) for entry in audit.entries(0) if entry.action in decided]


def test_an_alert_starts_one_repair_that_knows_its_trigger(watched, alert, jobs):
    alert("a1")

    (run,) = jobs.runs(kind="repair")
    assert (run.id, run.subject, run.state) == ("repair-a1", "lines", RunState.QUEUED)
    assert run.why == "alert a1: run 1 of at most 2"
    arguments = jobs.arguments("repair-a1")
    assert (arguments["version"], arguments["trigger"]["draft"]["max_runs"]) == (1, 2)
    assert arguments["trigger"]["created_by"] == "ana"


def test_an_alert_that_is_told_twice_starts_one_repair(watched, alert, jobs, audit):
    alert("a1")
    alert("a1")

    assert [run.id for run in jobs.runs(kind="repair")] == ["repair-a1"]
    assert watched.triggers()[0].runs == 1
    assert decisions(audit) == [("trigger.fire", "a1")]


def test_while_a_repair_is_at_work_no_other_starts_and_it_is_said_why(watched, alert, jobs, audit):
    alert("a1")
    alert("a2")

    (trigger,) = watched.triggers()
    assert [run.id for run in jobs.runs(kind="repair")] == ["repair-a1"]
    assert trigger.last_decision == "repair-a1 is still at work on lines"
    assert decisions(audit) == [("trigger.fire", "a1"), ("trigger.hold", "a2")]


def test_after_a_repair_the_next_one_waits_for_the_cooldown(watched, alert, jobs, clock):
    alert("a1")
    end(jobs, "repair-a1")

    clock.now += 40
    alert("a2")
    too_early = watched.triggers()[0].last_decision
    clock.now += 60
    alert("a3")

    assert too_early == "cooling down: 60 s are left of 100 s"
    assert {run.id for run in jobs.runs(kind="repair")} == {"repair-a1", "repair-a3"}


def test_a_spent_budget_starts_nothing_more_until_it_is_set_again(watched, alert, jobs, clock, ana):
    for id in ("a1", "a2", "a3"):
        alert(id)
        if id != "a3":
            end(jobs, f"repair-{id}")
        clock.now += 1000
    spent = watched.triggers()[0]
    watched.put_trigger(ana, TriggerDraft(model="lines", max_runs=2))
    alert("a4")

    assert (spent.runs, spent.last_decision) == (2, "the budget of 2 runs is spent")
    assert {run.id for run in jobs.runs(kind="repair")} == {"repair-a1", "repair-a2", "repair-a4"}


def test_a_model_without_a_trigger_is_left_to_people(watched, alert, jobs):
    alert("a1", model="wine")

    assert jobs.runs(kind="repair") == []


def test_a_trigger_needs_a_pipeline_and_numbers_in_range(automate, pipeline, ana):
    with pytest.raises(UnknownPipeline):
        automate.put_trigger(ana, TriggerDraft(model="lines"))
    automate.put_pipeline(ana, pipeline("pass"))
    with pytest.raises(InvalidInput):
        automate.put_trigger(ana, TriggerDraft(model="lines", min_labels=0))
    automate.put_trigger(ana, TriggerDraft(model="lines"), dry_run=True)

    assert automate.triggers() == []
