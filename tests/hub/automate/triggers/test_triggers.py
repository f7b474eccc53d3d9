"""Triggers as people set them and occasions meet them: once each, with what became of it, over deaths of hubs."""

from __future__ import annotations

import threading

import pytest

from edgewright.contract.api import FireDraft, OccasionState, OnAlert, OnData, OnRequest, OnTime
from edgewright.contract.errors import Conflict, InvalidInput, NotFound
from edgewright.hub.automate.triggers import table
from edgewright.hub.automate.triggers.sources import news
from edgewright.hub.events import Event

DAY = 86400.0
FIRED, NOT_FIRED, JOINED = OccasionState.FIRED, OccasionState.NOT_FIRED, OccasionState.JOINED


def test_an_alert_begins_one_run_in_the_name_of_who_set_the_trigger(scene):
    scene.set()

    scene.alert("a1")
    scene.alert("a1")

    ((run, principal),) = scene.begun
    (record,) = scene.history()
    assert (principal, record.run, record.state) == ("ana", run, FIRED)
    assert scene.jobs.get(run).why == "trigger t: alert a1: run 1 of at most 10"
    assert scene.triggers.trigger("t").active == (run,)


def test_each_trigger_of_a_model_decides_for_itself_and_says_why_not(scene):
    scene.set(name="drift", when=OnAlert(kinds=("data_drift",)))
    scene.set(name="bias", when=OnAlert(kinds=("bias",)))
    scene.set(name="other", model="wine")

    scene.alert("a1")

    assert len(scene.begun) == 1
    assert scene.states("drift") == [FIRED]
    assert scene.history("bias")[0].why == "its kind data_drift is none of bias"
    assert scene.history("other") == []


def test_what_comes_while_a_run_is_at_work_waits_for_its_end(scene):
    scene.set(cooldown_s=60.0)
    scene.alert("a1")
    scene.alert("a2")
    waiting = scene.triggers.trigger("t").waiting

    scene.clock.now += 120
    scene.end(scene.begun[0][0])

    assert waiting.why == f"{scene.begun[0][0]} is still at work on lines"
    assert scene.states() == [FIRED, FIRED]
    assert len(scene.begun) == 2


def test_an_alert_that_was_resolved_while_it_waited_begins_nothing(scene):
    scene.set()
    scene.alert("a1")
    scene.alert("a2")
    scene.solved = {"a1", "a2"}

    scene.end(scene.begun[0][0])

    assert scene.history()[-1].why == "its alert was resolved meanwhile"
    assert len(scene.begun) == 1


def test_alerts_that_wait_join_and_one_of_them_that_lives_is_enough(scene):
    scene.set()
    scene.alert("a1")
    for id in ("a2", "a3"):
        scene.alert(id)
    scene.solved = {"a3"}

    scene.end(scene.begun[0][0])

    assert scene.states() == [FIRED, JOINED, FIRED]


def test_a_spent_budget_is_kept_when_the_trigger_is_set_again(scene):
    scene.set(max_runs=2)
    for id in ("a1", "a2"):
        scene.alert(id)
        scene.end(scene.begun[-1][0])
        scene.clock.now += 10
    scene.set(max_runs=2, cooldown_s=1.0)

    scene.alert("a3")
    scene.clock.now += 31 * DAY
    scene.alert("a4")

    assert scene.states() == [FIRED, FIRED, NOT_FIRED, FIRED]
    assert scene.history()[2].why.startswith(
        "the budget of 2 runs in 30 d is spent; the next run is free at 2026-04-03"
    )
    assert scene.triggers.trigger("t").runs == 1


def test_a_run_that_cannot_begin_is_told_and_costs_no_budget(scene):
    scene.set(max_runs=1)
    scene.is_stopped = True
    scene.alert("a1")
    scene.is_stopped = False
    scene.alert("a2")

    assert scene.history()[0].why == "no run could begin: a policy says no"
    assert scene.states() == [NOT_FIRED, FIRED]


def test_labels_are_counted_since_the_last_run_and_those_that_a_run_asked_for_are_its_own(scene):
    scene.set(when=OnData(labels=100))
    scene.label(60)
    scene.label(50, model="wine")
    scene.label(39)
    before = scene.triggers.trigger("t").labels
    scene.label(11)
    scene.label(150, request=scene.begun[0][0])
    scene.label(20)

    assert before == 99
    assert [record.what for record in scene.history()] == ["110 new labels"]
    assert scene.triggers.trigger("t").labels == 20


def test_labels_that_were_refused_are_tried_again_with_the_next_full_number(scene):
    scene.set(when=OnData(labels=10))
    scene.triggers.pause(scene.ana, "t", paused=True, why="")
    scene.label(15)
    scene.triggers.pause(scene.ana, "t", paused=False, why="")
    for _ in range(5):
        scene.label(1)

    assert [(record.state, record.what) for record in scene.history()] == [
        (NOT_FIRED, "15 new labels"),
        (FIRED, "20 new labels"),
    ]


def test_a_snapshot_of_the_dataset_begins_a_run_unless_a_run_made_it(scene):
    scene.set(when=OnData(dataset="lines"))
    scene.tell("data.snapshot_created", "lines@1", dataset="lines", parent="", added=5)
    run = scene.begun[0][0]
    scene.tell("data.snapshot_created", "lines@2", dataset="lines", parent="lines@1", added=5, request=run)
    scene.tell("data.snapshot_created", "wine@9", dataset="wine", parent="", added=5)

    assert [(record.what, record.state) for record in scene.history()] == [
        ("snapshot lines@1", FIRED),
        ("snapshot lines@2", NOT_FIRED),
    ]
    assert scene.history()[1].why == f"run {run} made it for itself"


def test_times_that_passed_while_no_hub_was_up_are_made_up_for_once(scene, another):
    scene.set(when=OnTime(cron="0 3 * * *"), max_runs=100)
    scene.pass_time(DAY)
    scene.end(scene.begun[0][0])

    scene.clock.now += 5 * DAY
    later = another()
    later.listening.look()
    later.listening.look()

    assert [record.what for record in scene.history()] == [
        "the schedule's 2026-03-05 03:00 UTC",
        "the schedule's 2026-03-10 03:00 UTC (4 earlier ones passed while no hub was up)",
    ]
    assert (len(scene.begun), len(later.begun)) == (1, 1)


def test_a_schedule_that_is_set_again_strikes_no_time_that_has_passed(scene):
    scene.set(when=OnTime(cron="0 3 * * *"))
    scene.clock.now += 20 * 3600
    scene.set(when=OnTime(cron="0 1 * * *"))
    scene.pass_time(1.0)

    assert scene.history() == []
    assert scene.triggers.trigger("t").next_at == pytest.approx(scene.clock.now + 17 * 3600, abs=2)


def test_what_waits_out_a_debounce_or_quiet_hours_survives_the_hub(scene, another):
    scene.set(debounce_s=600.0, quiet_hours=("11:00-13:00",))
    scene.alert("a1")
    scene.pass_time(300.0)
    scene.alert("a2")

    later = another()
    later.pass_time(600.0)
    still = later.triggers.trigger("t").waiting
    later.pass_time(3600.0)

    assert still.why == "quiet hours last until 2026-03-04 13:00 UTC"
    assert scene.states() == [JOINED, FIRED]
    assert (len(scene.begun), len(later.begun)) == (0, 1)


def test_two_hubs_that_look_at_once_fire_once(scene, another):
    scene.set(debounce_s=60.0, max_concurrent=9)
    scene.set(name="clock", when=OnTime(cron="* * * * *"), max_concurrent=9)
    scene.alert("a1")
    hubs = [scene, another(), another()]
    scene.clock.now += 65.0
    begin = threading.Barrier(len(hubs))
    threads = [threading.Thread(target=lambda hub=hub: (begin.wait(), hub.listening.look())) for hub in hubs]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert (scene.states("clock"), scene.states()) == ([FIRED], [FIRED])
    assert sum(len(hub.begun) for hub in hubs) == 2


def test_a_pause_leaves_what_waits_and_a_resumed_trigger_fires_again(scene):
    scene.set(debounce_s=60.0)
    scene.alert("a1")
    scene.triggers.pause(scene.ana, "t", paused=True, why="holidays")
    scene.alert("a2")
    scene.triggers.pause(scene.ana, "t", paused=False, why="")
    scene.alert("a3")
    scene.pass_time(60.0)

    assert scene.states() == [NOT_FIRED, NOT_FIRED, FIRED]


def test_a_person_can_fire_any_trigger_and_the_same_key_is_the_same_request(scene):
    scene.set(when=OnRequest(), max_concurrent=2)
    plan = scene.triggers.fire(scene.ana, "t", FireDraft(), dry_run=True)
    once = scene.triggers.fire(scene.ana, "t", FireDraft(why="new lens", key="k1"))
    again = scene.triggers.fire(scene.ana, "t", FireDraft(key="k1"))
    other = scene.triggers.fire(scene.ana, "t", FireDraft())

    assert (plan.state, plan.run) == (FIRED, "")
    assert once == again
    assert once.what == "asked for by ana (new lens)"
    assert other.key != once.key
    assert len(scene.begun) == 2


def test_names_are_one_hubs_and_a_removed_trigger_is_forgotten(scene):
    scene.set()
    scene.alert("a1")
    with pytest.raises(Conflict):
        scene.set(model="wine")
    with pytest.raises(NotFound):
        scene.set(name="new", model="nothing")

    gone = scene.triggers.remove(scene.ana, "t")

    assert gone.active == (scene.begun[0][0],)
    assert scene.triggers.triggers() == []
    with pytest.raises(NotFound):
        scene.triggers.history("t")


@pytest.mark.parametrize(("words", "field"), [({"limit": 0}, "limit"), ({"state": "fierd"}, "state")])
def test_a_history_is_asked_for_in_words_that_there_are(scene, words, field):
    scene.set()

    with pytest.raises(InvalidInput) as refused:
        scene.triggers.history("t", **words)

    assert refused.value.field == field


def test_a_mistake_of_ours_with_one_occasion_holds_up_no_other(scene):
    for name in ("broken", "fine"):
        scene.set(name=name, debounce_s=60.0, max_concurrent=9)
    scene.alert("a1")
    scene.broken = {"broken"}
    scene.pass_time(60.0)
    held = scene.states("broken")
    scene.broken = set()
    scene.pass_time(10.0)

    assert (scene.states("fine"), held, scene.states("broken")) == ([FIRED], ["waiting"], [FIRED])


def test_a_history_is_bounded_and_many_refusals_push_no_run_out_of_it(scene, monkeypatch):
    monkeypatch.setattr(table, "HISTORY", 20)
    scene.set()
    scene.alert("a0")
    scene.set(when=OnAlert(kinds=("bias",)))
    with scene.db.write() as connection:
        row = table.row_of(connection, "t")
        for number in range(1, 30):
            event = Event(number=number, at=0.0, kind="", subject="", data={"alert": f"a{number}"})
            scene.firing.arrive(connection, row, news.of_alert(event, scene.clock()))

    records = scene.triggers.history("t", limit=1000)
    assert len(records) == 21
    assert records[-1].state is FIRED
    assert records[0].what == "alert a29"


def test_a_rehearsal_says_how_often_it_would_have_fired(scene):
    for number in range(6):
        scene.alert(f"a{number}")
        scene.clock.now += DAY
    draft = scene.set(name="else", cooldown_s=2 * DAY)
    plan = scene.triggers.put(scene.ana, draft, dry_run=True).forecast
    nightly = scene.triggers.put(
        scene.ana, scene.set(name="n", when=OnTime(cron="0 3 * * *"), max_runs=50), dry_run=True
    ).forecast

    assert (plan.occasions, plan.fired) == (6, 4)
    assert plan.examples[0].why
    assert (nightly.occasions, nightly.fired) == (30, 30)
    assert scene.history("n") == []
