"""Pages on which people act, in a real browser: they fit their screens, keep what is typed, and do what is pressed."""

from __future__ import annotations

import pytest
from browser import CHROMIUM, Browser
from served_hub import served

from scenes.acting import APPROVER, ENGINEER, OPERATOR, add_approvals, add_people, add_pipeline_run, add_triggers
from scenes.acting import add_alerts as alerts_of
from scenes.dashboard import PASSWORD, add_models, empty_hub

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: debian-packages.txt names it"),
]
RUN = "pipeline-0123456789ab"
PAGES = {
    OPERATOR.name: ("/alerts?state=all", "/alerts/wine-1-data-drift-1"),
    ENGINEER.name: ("/triggers", "/triggers/wine-drift", "/runs", f"/runs/{RUN}"),
    APPROVER.name: ("/approvals",),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    hub = empty_hub(tmp_path_factory.mktemp("acting"))
    add_people(hub)
    with hub.db.write() as connection:
        add_models(hub, connection)
    alerts_of(hub)
    add_triggers(hub)
    add_pipeline_run(hub)
    add_approvals(hub)
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def address(hub):
    with served(hub) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("chromium") / "profile") as browser:
        yield browser


def log_in(chromium, address, name):
    chromium.call("Network.clearBrowserCookies")
    chromium.problems.clear()
    chromium.open(f"{address}/login")
    chromium.ask(f"document.querySelector('#user').value = '{name}'")
    chromium.ask(f"document.querySelector('#password').value = '{PASSWORD}'")
    chromium.ask("document.querySelector('button').click()")
    chromium.wait_for("document.querySelector('main#main') && window.htmx")


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_their_screens_show_where_they_are_and_complain_of_nothing(chromium, address, tmp_path, name):
    log_in(chromium, address, name)
    for path in PAGES[name]:
        for width in (1280, 390):
            chromium.resize(width, 900)
            chromium.open(f"{address}{path}")
            chromium.wait_for("window.htmx && document.querySelector('h1')")
            (tmp_path / f"{path.replace('/', '-').partition('?')[0]}-{width}.png").write_bytes(chromium.screenshot())

            place = "document.querySelector('.bar [aria-current]').getBoundingClientRect()"
            assert chromium.ask("document.documentElement.scrollWidth") == width, (path, width)
            assert chromium.ask(f"{place}.left >= 0 && {place}.right <= {width}"), (path, width)
    assert chromium.problems == []


def test_what_is_typed_outlives_the_polls_and_enter_does_nothing_by_mistake(hub, chromium, address):
    log_in(chromium, address, OPERATOR.name)
    chromium.open(f"{address}/alerts/wine-1-data-drift-1")
    chromium.wait_for("window.htmx")
    chromium.ask("document.querySelector('#comment').value = 'the lamp'")
    chromium.ask("document.addEventListener('htmx:after:swap', () => { window.polled = true; }), 0")
    chromium.ask("htmx.trigger(document.querySelector('.part'), 'refresh'), 0")
    chromium.wait_for("window.polled")

    chromium.ask("document.querySelector('#comment').focus()")
    for kind in ("keyDown", "keyUp"):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        chromium.call("Input.dispatchKeyEvent", type=kind, **key)

    assert chromium.ask("document.querySelector('#comment').value") == "the lamp"
    assert hub.alerts.get("wine-1-data-drift-1").state == "open"
    chromium.ask("document.querySelector('button[value=acknowledge]').click()")
    chromium.wait_for("document.querySelector('.history').innerText.includes('the lamp')")
    assert hub.alerts.get("wine-1-data-drift-1").state == "acknowledged"
    assert chromium.problems == []
