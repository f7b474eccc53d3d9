"""Alerts live by one table, fold into each other rather than storm, and count how often their detectors are wrong."""

from __future__ import annotations

import dataclasses

import pytest

from edgewright.contract.api import (
    AlertEdit,
    AlertLevel,
    AlertState,
    FeatureDrift,
    Severity,
    Verdict,
)
from edgewright.contract.errors import InvalidInput
from edgewright.hub.govern import SYSTEM
from edgewright.hub.observe.alerts import Act, UnknownAlert, Wanted, severity_of, state_after
from edgewright.hub.observe.alerts.model import MANY, NEXT, AlertMovedOn, Home, Live, home_of
from scenes.alarms import ALARM, at, raised

DAY_S = 86400.0


def live(*segments: tuple[AlertLevel, str]) -> list[Live]:
    return [Live(f"a{number}", level, segment) for number, (level, segment) in enumerate(segments)]


DEVICE, COHORT, VERSION, FLEET = AlertLevel


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("state", AlertState)
def test_only_what_the_table_says_can_be_done(state, act):
    if (state, act) in NEXT:
        assert state_after(state, act, "a1") is NEXT[state, act]
    else:
        with pytest.raises(AlertMovedOn):
            state_after(state, act, "a1")


def test_nothing_leads_out_of_resolved_and_everything_leads_there():
    assert not any(state is AlertState.RESOLVED for state, _ in NEXT)
    assert {state for state, act in NEXT if act is Act.RESOLVE} == {s for s in AlertState if s.is_live}


@pytest.mark.parametrize(
    ("alarm", "others", "home"),
    [
        (at(VERSION, ""), live(), Home("", VERSION, "")),
        (at(VERSION, ""), live((VERSION, "")), Home("a0", VERSION, "")),
        (at(VERSION, ""), live((COHORT, "site=a"), (DEVICE, "d")), Home("", VERSION, "", ("a0",))),
        (at(COHORT, "site=a", cohorts=3), live((VERSION, "")), Home("a0", VERSION, "")),
        (at(COHORT, "site=a", cohorts=3), live((COHORT, "site=b")), Home("", COHORT, "site=a")),
        (
            at(COHORT, "site=a", cohorts=3),
            live((COHORT, "site=b"), (COHORT, "site=c")),
            Home("", VERSION, "", ("a0", "a1")),
        ),
        (
            at(COHORT, "site=a", cohorts=2),
            live((COHORT, "agent=1"), (COHORT, "agent=2")),
            Home("", COHORT, "site=a"),
        ),
        (at(COHORT, "site=a", cohorts=1), live(), Home("", COHORT, "site=a")),
        (at(DEVICE, "d9"), live((VERSION, "")), Home("", DEVICE, "d9")),
        (at(DEVICE, "d9"), live(*[(DEVICE, f"d{i}") for i in range(5)]), Home("", DEVICE, MANY)),
        (at(DEVICE, "d9"), live(*[(DEVICE, f"d{i}") for i in range(5)], (DEVICE, MANY)), Home("a5", DEVICE, MANY)),
        (at(FLEET, ""), live((FLEET, "")), Home("a0", FLEET, "")),
    ],
)
def test_an_alarm_belongs_where_its_family_is(alarm, others, home):
    assert home_of(alarm, others) == home


@pytest.mark.parametrize(
    ("level", "times_over", "severity"),
    [
        (DEVICE, 1.2, Severity.INFO),
        (DEVICE, 3.0, Severity.WARNING),
        (COHORT, 9.0, Severity.WARNING),
        (VERSION, 1.2, Severity.WARNING),
        (VERSION, 3.0, Severity.CRITICAL),
    ],
)
def test_it_is_the_worse_the_more_of_the_fleet_it_is_about(level, times_over, severity):
    assert severity_of(level, times_over) is severity


def test_what_is_found_again_is_added_to_the_alert_that_lives(line):
    first = raised(line)
    heat = FeatureDrift(feature="heat", effect=0.5, evidence=30.0, direction="lower")

    again = raised(line, dataclasses.replace(ALARM, features=(heat,), devices=("dev-2",), effect=0.5, times_over=5.0))

    (alert,) = line.alerts.chosen()
    assert again is None
    assert (alert.id, alert.since, alert.rows) == (first.id, 100.0, 500)
    assert [one.feature for one in alert.features] == ["flow", "heat"]
    assert alert.devices == ("dev-1", "dev-2")
    assert (alert.severity, alert.effect) == (Severity.CRITICAL, 0.5)
    assert [event.subject for event in line.told("observe.alert_worse")] == [first.id]


def test_cohorts_are_folded_into_the_alert_of_their_version(line):
    raised(line, at(COHORT, "site=a", cohorts=2, devices=("dev-7",), since=50.0))

    whole = raised(line)

    (alert,) = line.alerts.chosen(Wanted(states=(AlertState.OPEN,)))
    assert (alert.id, alert.folded, alert.since) == (whole.id, ("site=a",), 50.0)
    assert alert.devices == ("dev-1", "dev-7")
    (cohort,) = line.alerts.chosen(Wanted(states=(AlertState.RESOLVED,)))
    assert cohort.comments[0].text == f"it is part of {whole.id}"


def test_an_event_names_what_rules_choose_by(line):
    alert = raised(line, at(COHORT, "site=a"))

    (event,) = line.told("observe.alert")

    assert event.subject == alert.id
    wanted = {"alert": alert.id, "model": "press", "version": 1, "kind": "data_drift", "level": "cohort"}
    assert event.data == wanted | {"segment": "site=a", "severity": "warning"}


def test_a_snoozed_alert_wakes_when_its_time_is_over(line):
    alert = raised(line)
    line.alerts.act(SYSTEM, alert.id, Act.SNOOZE, AlertEdit(until=line.now + DAY_S, comment="on Monday"))

    asleep = (line.alerts.wake(), line.alerts.get(alert.id).state)
    line.now += DAY_S
    awake = (line.alerts.wake(), line.alerts.get(alert.id).state)

    assert asleep == (0, AlertState.SNOOZED)
    assert awake == (1, AlertState.OPEN)
    assert [event.subject for event in line.told("observe.alert_woken")] == [alert.id]
    assert line.alerts.get(alert.id).comments[0].text == "on Monday"


@pytest.mark.parametrize("until", [None, 0.0, 91 * DAY_S, float("inf"), float("nan")])
def test_no_alert_sleeps_for_ever(line, until):
    alert = raised(line)

    edit = AlertEdit(until=None if until is None else line.now + until)

    with pytest.raises(InvalidInput):
        line.alerts.act(SYSTEM, alert.id, Act.SNOOZE, edit)

    assert line.alerts.get(alert.id).state is AlertState.OPEN


def test_a_dry_run_changes_nothing(line):
    alert = raised(line)

    line.alerts.act(SYSTEM, alert.id, Act.RESOLVE, AlertEdit(verdict=Verdict.TRUE), dry_run=True)

    assert line.alerts.get(alert.id) == alert


def test_how_often_a_detector_is_wrong_is_counted_from_what_people_said(line):
    for verdict in (Verdict.TRUE, Verdict.FALSE_ALARM, Verdict.FALSE_ALARM, Verdict.UNKNOWN):
        alert = raised(line)
        line.alerts.act(SYSTEM, alert.id, Act.RESOLVE, AlertEdit(verdict=verdict))

    track = raised(line).track

    assert (track.true, track.false_alarms, track.unsaid) == (1, 2, 2)
    assert (track.detector, track.designed_days) == ("data-drift", 30.0)


def test_everything_that_people_do_is_in_the_audit_log(line):
    alert = raised(line)
    line.alerts.act(SYSTEM, alert.id, Act.ACKNOWLEDGE, AlertEdit(comment="mine"))
    line.alerts.comment(SYSTEM, alert.id, "a lamp is broken")
    line.alerts.act(SYSTEM, alert.id, Act.RESOLVE, AlertEdit(verdict=Verdict.TRUE))

    actions = [entry.action for entry in line.audit.entries()]

    assert actions == ["alert.raise", "alert.acknowledged", "alert.comment", "alert.resolved"]
    with pytest.raises(UnknownAlert):
        line.alerts.get("press-1-data-drift-99")


def test_old_alerts_are_forgotten_and_live_ones_never(line):
    old, still = raised(line), raised(line, at(COHORT, "site=a", version=2))
    line.alerts.act(SYSTEM, old.id, Act.RESOLVE, AlertEdit(comment="done"))
    line.now += 401 * DAY_S

    line.alerts.prune()

    assert [alert.id for alert in line.alerts.chosen()] == [still.id]
