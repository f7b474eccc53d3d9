"""Pages of triggers, runs and approvals: what they say, and that people steer and answer there as they may."""

from __future__ import annotations

import re

import pytest
from litestar.testing import TestClient

from edgewright.contract.api import AlertKind, OnAlert, OnCode, OnData, OnRequest, OnTime, Severity
from edgewright.hub.web.acting.trigger_view import condition
from edgewright.hub.web.server import build_app
from scenes.acting import APPROVER, ENGINEER, add_approvals, add_people, add_pipeline_run, add_triggers
from scenes.dashboard import PASSWORD, USER, add_models, empty_hub

RUN = "pipeline-0123456789ab"
PAGES = ("/triggers", "/triggers/wine-drift", "/runs", f"/runs/{RUN}", "/approvals")


def text(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    hub = empty_hub(tmp_path_factory.mktemp("acting"))
    add_people(hub)
    with hub.db.write() as connection:
        add_models(hub, connection)
    add_triggers(hub)
    add_pipeline_run(hub)
    add_approvals(hub)
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def web(desk):
    with TestClient(build_app(desk)) as web:
        yield web


def as_one(web, name):
    web.post("/login", data={"user": name, "password": PASSWORD}, follow_redirects=False)
    return web


def test_an_empty_hub_says_what_to_do_next(browser):
    told = {
        "/alerts": "nothing that is watched has changed",
        "/triggers": "No triggers",
        "/runs": "No work has run yet",
        "/approvals": "Nothing waits for people",
    }

    for path, words in told.items():
        page = browser.get(path).text
        assert words in page, path
        assert "<code>edgewright " in page, path


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_script_or_style_of_their_own_and_poll_what_they_show(web, path):
    page = as_one(web, USER).get(path).text
    polled = re.search(r'hx-get="([^"]+)"', page)

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page) == []
    assert page.count('aria-current="page"') == 1
    assert page.count("<h1") == 1
    assert polled is None or text(web.get(polled[1]).text) in text(page)


def test_every_page_has_the_same_as_data(web):
    as_one(web, USER)

    assert [one["name"] for one in web.get("/triggers.json").json()] == ["wine-drift", "wine-nightly"]
    assert len(web.get("/triggers/wine-drift/trigger.json").json()["history"]) == 2
    assert RUN in [one["id"] for one in web.get("/runs.json?kind=pipeline").json()]
    assert web.get(f"/runs/{RUN}/run.json").json()["child"]["id"] == f"{RUN}-train"
    assert [one["id"] for one in web.get("/approvals.json").json()] == ["promote:wine@2"]


def test_triggers_tell_what_they_decided_and_why(web):
    page = text(as_one(web, USER).get("/triggers/wine-drift").text)

    assert "with an alert of data drift or bias, on a version" in page
    assert "1 of 10 runs used in 30 d" in page
    assert "nothing within 01:00-02:00 (UTC)" in page
    assert "the new lamp" in page
    assert "fired" in page
    assert "Nothing like that has happened" in web.get("/triggers/wine-drift?state=joined").text


def test_a_trigger_is_fired_paused_and_resumed_by_who_may(desk, web):
    as_one(web, ENGINEER.name)
    told = []
    for do in ("resume", "pause", "fire"):
        reply = web.post("/triggers/wine-nightly", data={"do": do, "why": "so it is"}, follow_redirects=False)
        told.append((reply.status_code, desk.triggers.trigger("wine-nightly").is_paused))

    assert told == [(303, False), (303, True), (303, True)]
    assert "the trigger is paused" in web.get("/triggers/wine-nightly").text
    assert web.post("/triggers/wine-nightly", data={"do": "shout"}).status_code == 422


def test_a_run_shows_its_steps_what_was_reused_and_the_log_of_the_one_at_work(web):
    html = as_one(web, USER).get(f"/runs/{RUN}").text
    page = text(html)

    assert "1 of 4 reused from earlier runs" in page
    assert "The same as in pipeline-earlier" in page
    assert "no new labels" in page
    assert "Log of train epoch 1: loss 0.41 epoch 2: loss &lt;0.3" in page
    assert f'href="/runs/{RUN}-train"' in html
    assert f"edgewright run cancel {RUN}" in page


def test_runs_are_filtered_by_kind_and_subject(web):
    as_one(web, USER)

    assert RUN not in web.get("/runs?kind=wave").text
    assert RUN in web.get("/runs?kind=pipeline&subject=wine").text


def test_who_asked_sees_an_approval_and_its_approver_answers_it(desk, web):
    asked = as_one(web, ENGINEER.name).get("/approvals").text
    assert "better by 0.021" in asked
    assert "It waits for arno" in text(asked)
    assert 'name="answer"' not in asked
    shown = as_one(web, APPROVER.name).get("/approvals").text
    digest = re.search(r'name="digest" value="([^"]+)"', shown)[1]
    form = {"approval": "promote:wine@2", "digest": digest, "answer": "approve", "why": "fine"}

    stale = web.post("/approvals", data=form | {"digest": "ef" * 32})
    given = web.post("/approvals", data=form, follow_redirects=False)

    assert (stale.status_code, given.status_code) == (409, 303)
    assert desk.desk.approval("promote:wine@2").state == "approved"
    assert "arno said yes: fine" in text(web.get("/approvals?state=all").text)
    assert "arno: the lamp is broken" in web.get("/approvals?state=rejected").text


@pytest.mark.parametrize("path", ["/triggers/wine-drift", "/approvals"])
def test_forms_of_other_sites_and_of_those_who_may_not_do_nothing(web, path):
    form = {"do": "fire", "approval": "promote:wine@2", "digest": "ab" * 32, "answer": "approve"}

    foreign = as_one(web, ENGINEER.name).post(path, data=form, headers={"sec-fetch-site": "cross-site"})
    forbidden = as_one(web, USER).post(path, data=form)

    assert foreign.json()["error"]["code"] == "foreign_form"
    assert forbidden.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (OnRequest(), "when somebody asks"),
        (OnTime(cron="0 3 * * *"), "by the clock: 0 3 * * * (UTC)"),
        (OnData(labels=200), "after 200 new labels"),
        (OnData(dataset="wine"), "with a new snapshot of wine"),
        (OnCode(branches=("main",), paths=("train/*",)), "with a push to main that changes train/*, from Github"),
        (OnAlert(kinds=(AlertKind.BIAS,), severities=(Severity.CRITICAL,)), "with an alert of bias, critical"),
    ],
)
def test_what_a_trigger_watches_for_is_told_in_words(when, words):
    assert condition(when) == words
