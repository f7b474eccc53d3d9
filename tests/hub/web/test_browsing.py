"""Pages of devices, groups and rollouts: what they say, how one walks on, and that each has its JSON twin."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from edgewright.contract.api import Budget, GateDraft, GateRule, RolloutRecord, RolloutState, ScheduleDraft, SiteCap
from edgewright.hub.fleet import table as fleet
from edgewright.hub.govern import SYSTEM
from edgewright.hub.web.browsing.rollout_view import commands
from edgewright.hub.web.browsing.terms import gate_terms, terms
from scenes.dashboard import NOW, add_device

PAGES = ("/devices", "/devices/d-00000001", "/groups", "/groups/lanes", "/rollouts", "/rollouts/defects-2-1")
DATA = (
    ("/devices.json", "devices"),
    ("/devices/d-00000001/device.json", "device"),
    ("/groups.json", None),
    ("/groups/lanes/group.json", "group"),
    ("/rollouts.json", None),
    ("/rollouts/defects-2-1/rollout.json", "rollout"),
)


def text(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture(scope="module", autouse=True)
def _lanes(full_hub):
    with full_hub.db.write() as connection:
        row = {"name": "lanes", "selector": "site=berlin", "devices": [], "created_at": NOW, "created_by": "olga"}
        connection.execute(sa.insert(fleet.group).values(**row))
        full_hub.audit.record(connection, "olga", "rollout.started", "defects-2-1", group="lanes")
        full_hub.audit.record(connection, SYSTEM.name, "rollout.wave_failed", "defects-2-1", wave=1, reason="too bad")


@pytest.mark.parametrize("path", [*PAGES, *(path for path, _ in DATA)])
def test_a_stranger_sees_none_of_it(stranger, path):
    assert stranger.get(path, follow_redirects=False).status_code in (303, 401)


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_script_or_style_of_their_own_and_name_where_they_are(full_browser, path):
    page = full_browser.get(path).text

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page) == []
    assert page.count('aria-current="page"') == 1
    assert page.count("<h1") == 1


@pytest.mark.parametrize(("path", "name"), DATA)
def test_every_page_has_the_same_as_data(full_browser, path, name):
    found = full_browser.get(path).json()

    assert found
    assert name is None or name in found


@pytest.mark.parametrize("path", ["/devices", "/devices/d-00000001", "/rollouts/defects-2-1"])
def test_what_is_polled_is_the_page_as_it_is(full_browser, path):
    page = full_browser.get(path).text
    polled = re.search(r'hx-get="([^"]+)"', page)

    assert text(full_browser.get(polled[1]).text) in text(page)


def test_devices_are_filtered_by_selector_and_by_state(full_browser):
    berlin = text(full_browser.get("/devices?selector=site%3Dberlin").text)

    assert "lane-4 d-00000004" in berlin
    assert "lane-5" not in berlin
    assert "No device is like that" in full_browser.get("/devices?state=waiting").text


def test_a_list_that_reads_the_whole_fleet_is_not_polled(full_browser):
    assert "hx-get" not in full_browser.get("/devices?selector=site%3Dberlin").text


def test_a_selector_that_cannot_be_read_is_shown_again_with_the_reason(full_browser):
    page = full_browser.get("/devices?selector=%3D%3D%3D").text

    assert 'value="==="' in page
    assert 'role="alert"' in page


def test_a_long_list_leads_on_to_its_next_page(hub, browser):
    with hub.db.write() as connection:
        for number in range(51):
            add_device(connection, f"lane-{number:03}")

    first = browser.get("/devices").text
    following = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    second = text(browser.get(following).text)

    assert "lane-050" not in first
    assert "lane-050" in second
    assert "First devices" in second


def test_a_device_shows_its_machine_its_models_and_its_groups(full_browser):
    page = text(full_browser.get("/devices/d-00000004").text)

    assert "Processor x86_64, 4 cores" in page
    assert "defects v1 #1 to #3, trial" in page
    assert "berlin" in page
    assert 'href="/groups/lanes"' in full_browser.get("/devices/d-00000004").text


def test_a_group_says_why_a_device_is_not_in_it(full_browser):
    page = text(full_browser.get("/groups/lanes?why=d-00000007").text)

    assert "4 devices now" in page
    assert "d-00000007 is not in lanes: site=berlin does not hold" in page
    assert "site=berlin no oslo" in page


def test_a_group_says_where_there_is_no_such_device(full_browser):
    assert "There is no device" in full_browser.get("/groups/lanes?why=nobody").text


def test_a_rollout_shows_its_waves_its_devices_and_who_did_what(full_browser):
    page = text(full_browser.get("/rollouts/defects-2-1").text)

    assert "Wave 1 0 of 1 committed, 1 failed" in page
    assert "lane-1 1 rolled back" in page
    assert "wave 1 failed by hub" in page
    assert "started by olga" in page


def test_deployments_are_filtered_by_state_and_wave(full_browser):
    page = text(full_browser.get("/rollouts/defects-3-1?state=committed&wave=2").text)

    assert "lane-2 2 committed" in page
    assert "18.3 kB of 96 kB delta" in page
    assert "lane-1 1" not in page


def test_what_is_not_there_is_said_on_a_page_to_people_and_as_json_to_programs(full_browser):
    shown = full_browser.get("/rollouts/nothing", headers={"accept": "text/html"})
    told = full_browser.get("/rollouts/nothing/rollout.json")

    assert (shown.status_code, told.status_code) == (404, 404)
    assert "There is no rollout" in text(shown.text)
    assert told.json()["error"]["code"] == "not_found"


def record(state=RolloutState.RUNNING, **values):
    shared = {"id": "m-1-r1", "release": "m/1", "model": "m", "version": 1, "counter": 1, "group": "all", "reason": ""}
    shared |= {"gate": GateDraft(), "waves": (), "deployments": (), "created_at": 0.0, "created_by": "ana"}
    return RolloutRecord(state=state, **shared | values)


@pytest.mark.parametrize(
    ("state", "words"),
    [("running", ["watch", "pause", "abort"]), ("paused", ["resume", "abort"]), ("done", ["rollback", "rollback"])],
)
def test_the_next_commands_are_those_that_the_state_allows(state, words):
    assert [command.split()[2] for _, command in commands(record(RolloutState(state)))] == words


def test_budgets_caps_and_windows_are_told_in_words():
    asked = record(
        schedule=ScheduleDraft(start_at=7200.0, windows=("mon-fri 22:00-05:00",), max_defer_s=3600.0),
        budgets=(Budget(per="site", max_unavailable=1),),
        caps=(SiteCap(per="site", max_at_once=4, bytes_s=500_000),),
    )

    assert terms(asked, 0.0) == (
        ("Start", "1970-01-01 02:00 UTC, in 2 h"),
        ("Windows", "mon-fri 22:00-05:00, by each device's own clock"),
        ("Deferral", "a busy device may put it off for 1 h"),
        ("Budget", "at most 1 device of the same site unavailable or at it at a time"),
        ("Cap", "4 at once and 500 kB/s for each site"),
    )


def test_a_gate_is_told_in_words():
    told = gate_terms(GateDraft(rules=(GateRule(metric="drift", limit=0.2), GateRule(metric="memory", is_on=False))))

    assert told[0] == "no device may fail"
    assert told[-2:] == ("distance of its data from its training data, at most 0.2", "memory is not looked at")
