"""The dashboard's pages: who gets in, what they show, and that nothing a device says is taken for markup."""

from __future__ import annotations

import re

import pytest

from scenes.dashboard import NOW, PASSWORD, USER, add_device

PARTS = ("summary", "fleet", "rollouts", "drift", "versions", "runs")


def log_in(client, password=PASSWORD, **headers):
    return client.post(
        "/login", data={"user": USER, "password": password}, headers=headers or None, follow_redirects=False
    )


def text(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_a_stranger_is_led_to_the_login_page(stranger):
    reply = stranger.get("/", follow_redirects=False)

    assert (reply.status_code, reply.headers["location"]) == (303, "/login")
    assert '<form class="panel" method="post" action="/login">' in stranger.get("/login").text


def test_a_password_gives_a_cookie_that_no_script_and_no_other_site_can_use(stranger):
    reply = log_in(stranger)

    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"].lower()
    assert cookie.startswith("edgewright_token=ewt_")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "Dashboard" in stranger.get("/").text


def test_a_wrong_password_shows_the_form_again_with_the_reason(stranger):
    reply = log_in(stranger, password="something else")

    assert reply.status_code == 401
    assert "User name or password is wrong" in reply.text
    assert f'value="{USER}"' in reply.text
    assert "set-cookie" not in reply.headers


def test_a_form_on_another_site_logs_nobody_in(stranger):
    reply = log_in(stranger, **{"sec-fetch-site": "cross-site"})

    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "foreign_form")
    assert "set-cookie" not in reply.headers


def test_logging_out_ends_the_token_and_not_only_the_cookie(browser):
    token = browser.cookies["edgewright_token"]

    browser.post("/logout")

    assert "edgewright_token" not in browser.cookies
    assert browser.get("/overview.json", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_the_api_takes_no_cookie(browser):
    assert browser.get("/api/v1/overview").status_code == 401


def test_a_program_gets_the_page_as_json_by_its_token(hub, stranger):
    token = hub.people.login(USER, PASSWORD).token

    assert stranger.get("/overview.json").status_code == 401
    assert stranger.get("/overview.json", headers={"authorization": f"Bearer {token}"}).json()["at"] == NOW


def test_a_poll_without_a_login_sends_the_browser_to_the_form(stranger):
    reply = stranger.get("/partials/fleet", headers={"hx-request": "true"}, follow_redirects=False)

    assert (reply.status_code, reply.headers["hx-redirect"]) == (401, "/login")


@pytest.mark.parametrize("path", ["/", "/login", "/static/dashboard.js", "/partials/fleet"])
def test_pages_load_nothing_from_elsewhere_and_stand_in_no_frame(full_browser, path):
    headers = full_browser.get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_pages_hold_no_script_or_style_of_their_own(full_browser):
    page = full_browser.get("/").text

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page) == []
    assert set(re.findall(r'(?:src|href)="(https?:|//)', page)) == set()


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_in_the_page_as_it_is_polled(full_browser, name):
    page, part = full_browser.get("/").text, full_browser.get(f"/partials/{name}").text

    assert f'hx-get="/partials/{name}"' in page
    assert text(part) in text(page)


def test_an_unknown_part_is_not_found(full_browser):
    assert full_browser.get("/partials/secrets").status_code == 404


def test_an_empty_hub_says_what_to_do_next(browser):
    page = browser.get("/").text

    for command in ("device claim", "rollout start", "model register", "optimize run MODEL"):
        assert f"<code>edgewright {command}" in page


def test_what_a_device_calls_itself_is_text_and_never_markup(hub, browser):
    with hub.db.write() as connection:
        add_device(connection, "<script>alert(1)</script>", labels={"site": '"><img src=x onerror=alert(1)>'})

    page = browser.get("/").text

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_fleet_tells_who_is_away_and_what_is_wanted(full_browser):
    fleet = text(full_browser.get("/partials/fleet").text)

    assert "lane-6 d-00000006 6 min ago away v1 #1 to #3" in fleet
    assert "v1 #1 to #3, trial" in fleet
    assert "v3 #3 current" in fleet


def test_rollouts_show_their_waves_and_why_they_ended(full_browser):
    rollouts = text(full_browser.get("/partials/rollouts").text)

    assert "Wave 3 0 of 5 committed, 1 at it, 4 waiting" in rollouts
    assert "wave 1 failed: agreement 0.11 of 50 requests" in rollouts


def test_drift_is_explained_and_every_chart_has_its_table(full_browser):
    html = full_browser.get("/partials/drift").text

    drift = text(html)
    assert "defects v1 since 16 min ago drifting" in drift
    assert re.search(r"flow 0\.310 higher", drift)
    assert 'href="/alerts/' in html
    assert "wine v1 as in training" in drift
    assert html.count('role="img"') == html.count("<summary>Table</summary>") == 2


def test_versions_show_lineage_releases_and_where_they_run(full_browser):
    versions = text(full_browser.get("/partials/versions").text)

    assert re.search(r"v3 0\.973 #3 ready 3 v1 defects@3 50 min ago", versions)
    assert "#2 bad wave 1: agreement 0.11" in versions
    assert "0/1 approved" in versions


def test_failed_runs_tell_why(full_browser):
    assert "no file named train.npz" in full_browser.get("/partials/runs").text
