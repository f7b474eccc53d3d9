"""What `edgewright rollout plan --rehearse` prints: what each rule of the gates does about each bad release."""

from __future__ import annotations

import pytest

from edgewright.cli.verbs.rehearsal import show_rehearsal
from edgewright.contract.api import Badness, RehearsalRecord, RehearsedRule, RehearsedRun, RolloutState, RuleAnswer

NOTHING = "no device has reported it"


def stops(rule: str, wave: int, reason: str) -> RehearsedRule:
    return RehearsedRule(rule=rule, answer=RuleAnswer.STOPPED, wave=wave, reason=reason)


def passes(rule: str, reason: str = "0 of 8 devices are over the budget") -> RehearsedRule:
    return RehearsedRule(rule=rule, answer=RuleAnswer.NOT_STOPPED, reason=reason)


def is_blind(rule: str, reason: str = NOTHING) -> RehearsedRule:
    return RehearsedRule(rule=rule, answer=RuleAnswer.CANNOT_SAY, reason=reason)


def a_run(badness: Badness | None, *rules: RehearsedRule, effect: str = "") -> RehearsedRun:
    is_stopped = any(rule.answer is RuleAnswer.STOPPED for rule in rules)
    return RehearsedRun(
        badness=badness,
        state=RolloutState.HALTED if is_stopped else RolloutState.DONE,
        reason="wave 1: 1 failed, 0 may" if is_stopped else "every wave has passed",
        duration_s=600.0,
        halted_s=600.0 if is_stopped else None,
        devices=8,
        touched=8,
        committed=8,
        broken=0,
        away=0,
        bytes=1000,
        waves=(),
        sites=(),
        rules=rules,
        effect=effect,
    )


@pytest.fixture
def printed(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")

    def show(*bad: RehearsedRun) -> str:
        facts = {"id": "r", "release": "digits/2", "group": "g", "devices": 8, "simulated": 8, "seed": 0}
        show_rehearsal(RehearsalRecord(**facts, assumptions=(), runs=(a_run(None), *bad), took_s=1.0), as_json=False)
        return capsys.readouterr().out

    return show


def test_each_rule_says_of_each_bad_release_whether_it_stops_it_and_in_which_wave(printed):
    bad = a_run(Badness.HEAVIER, stops("installs", 2, "1 failed, 0 may"), passes("memory"), is_blind("drift"))

    rows = [line.split() for line in printed(bad).splitlines()]

    assert ["installs", "wave", "2"] in rows
    assert ["memory", "no"] in rows
    assert ["drift", "?"] in rows


def test_the_reason_stands_beside_what_stops_it_and_what_cannot_say(printed):
    bad = a_run(Badness.HEAVIER, stops("installs", 1, "1 failed, 0 may"), is_blind("latency"), is_blind("memory"))

    shown = printed(bad)

    assert "stops it: 1 failed, 0 may" in shown
    assert "latency, memory  ?: no device has reported it" in shown


def test_a_release_that_nothing_stops_is_told_with_what_it_came_to(printed):
    shown = printed(a_run(Badness.SLOWER, passes("latency"), effect="p95 24 ms; its budget is 80 ms"))

    assert "NOT stopped" in shown
    assert "p95 24 ms; its budget is 80 ms" in shown
    assert "no: 0 of 8 devices are over the budget" in shown


def test_all_badnesses_and_the_longest_rule_stand_in_80_columns(printed):
    names = ("installs", "estimated_accuracy", "shadow_agreement", "labelled_accuracy")
    bad = [a_run(badness, *(stops(name, 9, "1 failed, 0 may") for name in names)) for badness in Badness]

    lines = printed(*bad).splitlines()

    assert max(map(len, lines)) <= 80
    assert any(line.split() == ["estimated_accuracy", *["wave", "9"] * len(Badness)] for line in lines)
