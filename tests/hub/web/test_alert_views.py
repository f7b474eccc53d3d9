"""Pages of alerts: what they say, how a list is filtered, and that people deal with alerts there as they may."""

from __future__ import annotations

import re

import pytest
from litestar.testing import TestClient

from edgewright.contract.api import AlertKind, AlertLevel
from edgewright.hub.web.acting.alert_view import Asked, alerts_view
from edgewright.hub.web.server import build_app
from scenes.acting import OPERATOR, add_alerts, add_people, raise_alert
from scenes.dashboard import PASSWORD, USER, empty_hub


def text(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    hub = empty_hub(tmp_path_factory.mktemp("alerts"))
    add_people(hub)
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def ids(desk):
    return add_alerts(desk)


@pytest.fixture(scope="module")
def web(desk):
    with TestClient(build_app(desk)) as web:
        yield web


@pytest.fixture
def seen(web, ids):
    """As olga sees it, who may deal with alerts."""
    web.post("/login", data={"user": OPERATOR.name, "password": PASSWORD}, follow_redirects=False)
    return web


def test_the_list_shows_what_is_not_resolved_and_its_data_are_the_same(seen, ids):
    page, data = text(seen.get("/alerts").text), seen.get("/alerts.json").json()

    assert [one["id"] for one in data] == [ids[1], ids[0]]
    assert "Data drift of wine v1" in page
    assert "heat higher 0.41, flow spread 0.37, torque missing 0.09" in page
    assert ids[2] not in page


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("state=all", [2, 1, 0]),
        ("state=resolved", [2]),
        ("state=all&kind=latency&level=cohort", [2]),
        ("severity=critical", [0]),
        ("model=defects", []),
    ],
)
def test_alerts_are_filtered(seen, ids, query, places):
    assert [one["id"] for one in seen.get(f"/alerts.json?{query}").json()] == [ids[place] for place in places]
    assert (not places) == ("No alert is like that" in seen.get(f"/alerts?{query}").text)


def test_a_filter_that_there_is_not_is_refused(seen):
    reply = seen.get("/alerts.json?kind=vibes")

    assert (reply.status_code, reply.json()["error"]["field"]) == (422, "kind")


def test_a_long_list_leads_on():
    view = alerts_view(Asked(kind="bias", skip=50), [], True, 50, ["wine"], {}, 0.0)

    assert view.next == "/alerts?kind=bias&skip=100"
    assert view.first == "/alerts?kind=bias"


def test_an_alert_is_explained(seen, ids):
    page = text(seen.get(f"/alerts/{ids[0]}").text)

    for words in (
        "wine version 1 sees other data than in training since 2027-01-15",
        "0.410 total variation where it is furthest",
        "found after 1,200 rows",
        "the snapshot wine@1, at the same hour and weekday",
        "heat 0.410 higher 31.5",
        "By design one false alarm of a segment in 90 days.",
        "Nobody has yet said whether its alerts on wine were right.",
        "And 6 more",
        "raised by hub",
    ):
        assert words in page
    assert "1 of its 1 alert on wine that people judged was a false alarm." in text(seen.get(f"/alerts/{ids[2]}").text)


def test_what_somebody_wrote_stands_once_in_its_history(seen, ids):
    seen.post(f"/alerts/{ids[1]}", data={"do": "comment", "comment": "it was the <b>lamp</b>"})

    page = seen.get(f"/alerts/{ids[1]}").text

    assert page.count("a fitter is on the way") == 1
    assert "it was the &lt;b&gt;lamp&lt;/b&gt;" in page
    assert "comment by olga" in text(page)


def test_what_is_polled_is_the_page_as_it_is(seen, ids):
    for path in ("/alerts", f"/alerts/{ids[0]}"):
        page = seen.get(path).text
        polled = re.search(r'hx-get="([^"]+)"', page)

        assert text(seen.get(polled[1].replace("&amp;", "&")).text) in text(page)


def test_an_alert_is_acknowledged_snoozed_opened_again_and_resolved(desk, web):
    web.post("/login", data={"user": OPERATOR.name, "password": PASSWORD}, follow_redirects=False)
    id = raise_alert(desk, AlertKind.BIAS, AlertLevel.VERSION, "", 1.0)
    told = []
    for do in ("acknowledge", "snooze", "reopen", "true"):
        reply = web.post(f"/alerts/{id}", data={"do": do, "comment": "", "hours": "8"}, follow_redirects=False)
        told.append((reply.status_code, desk.alerts.get(id).state))

    assert told == [(303, "acknowledged"), (303, "snoozed"), (303, "open"), (303, "resolved")]
    assert desk.alerts.get(id).verdict == "true"
    assert "Snooze" not in text(web.get(f"/alerts/{id}").text)


@pytest.mark.parametrize(("form", "status"), [({"do": "shout"}, 422), ({"do": "snooze", "hours": "x"}, 422)])
def test_what_is_not_done_with_alerts_is_refused_on_a_page(seen, ids, form, status):
    reply = seen.post(f"/alerts/{ids[0]}", data=form, headers={"accept": "text/html"})

    assert reply.status_code == status
    assert 'class="panel refusal"' in reply.text


def test_a_form_on_another_site_does_nothing(desk, seen, ids):
    reply = seen.post(f"/alerts/{ids[0]}", data={"do": "true"}, headers={"sec-fetch-site": "cross-site"})

    assert reply.status_code == 403
    assert desk.alerts.get(ids[0]).state == "open"


def test_who_may_not_deal_with_alerts_looks_and_is_told_why(desk, seen, ids):
    seen.post("/login", data={"user": USER, "password": PASSWORD}, follow_redirects=False)

    page = seen.get(f"/alerts/{ids[0]}").text

    assert "You may look, and not deal with alerts" in page
    assert 'name="do"' not in page
    assert seen.post(f"/alerts/{ids[0]}", data={"do": "true"}).status_code == 403
    assert desk.alerts.get(ids[0]).state == "open"


def test_pages_hold_no_script_or_style_of_their_own_and_name_where_they_are(seen, ids):
    for path in ("/alerts", f"/alerts/{ids[0]}"):
        page = seen.get(path).text

        assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page) == []
        assert page.count('aria-current="page"') == 1
        assert page.count("<h1") == 1
