"""A study by the command line alone, on a real hub: searched, looked at, explained, chosen, cancelled, and unmet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgewright.contract.api import RunState
from scenes.desk import Desk, until
from scenes.publishing import register

pytestmark = pytest.mark.e2e

RECIPES = ("--recipe", "clean", "--recipe", "clean -> prune ratio=0.2", "--recipe", "clean -> prune ratio=0.9")


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.start_hub()
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def version(desk) -> str:
    return register(desk, "digits")


@pytest.fixture(scope="module")
def told(desk, version) -> str:
    """What a search says while it goes on, and at its end."""
    ended = desk.run("optimize", "run", version, "--target", "cpu-int8", "--budget", "1m", *RECIPES)
    assert ended.code == 0, ended.err
    return ended.err + ended.out


def test_each_trial_is_told_as_it_ends_and_one_is_recommended(told):
    assert "cpu-int8 t0 the source itself: kept" in told
    assert "cpu-int8 t1 clean: kept" in told
    assert "is recommended" in told
    assert "next: edgewright optimize explain digits@1" in told


def test_the_study_is_looked_at_and_explained(desk, version, told):
    front = desk.run("optimize", "pareto", version, "--by", "size")
    why = desk.run("optimize", "explain", version)
    trial = desk.run("optimize", "explain", version, "t1")

    assert (front.code, why.code, trial.code) == (0, 0, 0)
    assert max(map(len, (front.out + why.out + trial.out).splitlines())) <= 80
    assert "accuracy against size on disk" in front.out
    assert "hub" in front.out.split("latency")[-1]
    assert "a drop of at most" in why.out
    assert "on 200 rows" in trial.out


def test_another_of_the_front_is_chosen_and_the_audit_log_says_why(desk, version, told):
    study = desk.done("optimize", "pareto", version)
    other = next(trial["id"] for trial in study["trials"] if trial["is_on_front"])
    beaten = next((trial["id"] for trial in study["trials"] if not trial["is_on_front"]), "t99")

    chosen = desk.run("optimize", "choose", version, other, "--why", "it is dear to us")
    refused = desk.run("optimize", "choose", version, beaten)

    assert chosen.code == 0, chosen.err
    assert f"{other} is the variant of digits@1 for cpu-int8" in chosen.err
    assert (refused.code, "not on the front" in refused.err) == (1, True)
    assert "it is dear to us" in str(desk.done("audit", "ls"))


def test_limits_that_nothing_meets_are_refused_with_the_one_that_binds(desk, version, told):
    ended = desk.run("optimize", "run", version, "--target", "cpu-fp32", "--size", "10B", "--recipe", "clean")

    assert ended.code == 1
    assert "size_bytes binds" in ended.err
    assert "help: edgewright optimize explain digits@1 --target cpu-fp32" in ended.err
    assert [study["state"] for study in desk.done("optimize", "ls", version)] == ["unmet", "done"]


def test_a_dry_run_says_what_would_be_tried_and_begins_nothing(desk, version, told):
    before = desk.done("optimize", "ls", version)

    ended = desk.run("optimize", "run", version, "--target", "cpu-int8", "--dry-run")

    assert ended.code == 0, ended.err
    assert "try clean" in ended.err
    assert desk.done("optimize", "ls", version) == before


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--recipe", "clean → polish"), "recipe"),
        (("--recipe", "prune ratio=much"), "prune"),
        (("--budget", "soon"), "budget"),
        (("--max-drop", "7"), "max-drop"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(desk, version, words, field):
    ended = desk.run("optimize", "run", version, "--target", "cpu-int8", *words)

    assert ended.code in (1, 2)
    assert field in ended.err.partition("-->")[2]


def test_a_search_is_cancelled_and_keeps_what_it_found(desk, version, told):
    [run] = desk.done("optimize", "run", version, "--target", "x86-64-vnni", "--no-wait")
    client = desk.client()
    until(lambda: client.study("digits", 1, "x86-64-vnni").trials, "a trial has ended")

    ended = desk.run("optimize", "cancel", version, "--target", "x86-64-vnni")

    assert ended.code == 0, ended.err
    assert client.runs.wait(run["id"], timeout_s=60).state is RunState.CANCELLED
    until(lambda: client.study("digits", 1, "x86-64-vnni").state == "cancelled", "the study knows")
    assert client.study("digits", 1, "x86-64-vnni").trials
