"""The dashboard as a person sees it: a real hub, served, in a real browser."""

from __future__ import annotations

import pytest
from browser import CHROMIUM, Browser
from served_hub import served

from scenes.dashboard import NOW, PASSWORD, USER, add_device, filled_hub

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: debian-packages.txt names it"),
]


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def hub(tmp_path_factory, clock):
    hub = filled_hub(tmp_path_factory.mktemp("hub"), clock)
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


@pytest.fixture
def page(chromium, address):
    """The dashboard, seen by ana on a wide screen."""
    chromium.resize(1280, 900)
    chromium.call("Network.clearBrowserCookies")
    chromium.problems.clear()
    chromium.open(f"{address}/")
    chromium.ask(f"document.querySelector('#user').value = '{USER}'")
    chromium.ask(f"document.querySelector('#password').value = '{PASSWORD}'")
    chromium.ask("document.querySelector('button').click()")
    chromium.wait_for("document.querySelector('main#main') && window.htmx && document.querySelector('.uplot canvas')")
    return chromium


def test_a_person_logs_in_and_sees_fleet_rollouts_drift_versions_and_runs(page):
    assert "lane-6" in page.text("#fleet")
    assert "away" in page.text("#fleet")
    assert "5 of 5 committed" in page.text("#rollouts")
    assert "halted" in page.text("#rollouts")
    assert "drifting" in page.text("#drift")
    assert "0.973" in page.text("#versions")
    assert "no file named train.npz" in page.text("#runs")
    assert page.problems == []


def test_charts_are_drawn_and_have_words_and_a_table_for_those_who_do_not_see_them(page):
    painted = """(canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size)
                 (document.querySelector('.uplot canvas'))"""

    assert page.ask(painted) > 20
    assert "defects version 1" in page.ask("document.querySelector('[role=img].chart').getAttribute('aria-label')")
    page.ask("document.querySelector('#chart-defects-1-table summary').click()")
    assert "flow" in page.text("#chart-defects-1-table thead")


def test_the_page_keeps_up_by_itself_and_leaves_open_what_the_reader_opened(hub, clock, page):
    page.ask("document.querySelector('#drift details summary').click()")
    page.ask("document.querySelector('.uplot canvas').dataset.drawn_before = 'yes'")

    with hub.db.write() as connection:
        add_device(connection, "newcomer")
    clock.now += 10

    page.wait_for("document.querySelector('#fleet').innerText.includes('newcomer')")
    assert page.ask("document.querySelector('#drift details').open")
    assert page.ask("document.querySelector('.uplot canvas').dataset.drawn_before") == "yes"
    assert page.text("#link") == "Live"
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(page, scheme):
    page.prefer(scheme)
    page.resize(390, 844)

    page.wait_for("document.querySelector('.uplot').getBoundingClientRect().right <= 390")
    assert page.ask("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_studies_fits_its_screen_and_leaves_open_what_the_reader_opened(page, address, width):
    page.resize(width, 900)
    page.open(f"{address}/models/defects/3/optimize")
    page.wait_for("document.querySelector('.plot circle.recommended') && window.htmx")
    page.ask("document.querySelector('#trial-cpu-int8-t2-more summary').click()")

    page.ask("document.addEventListener('htmx:after:swap', () => { window.polled = true; }), 0")

    page.wait_for("window.polled")
    assert page.ask("document.documentElement.scrollWidth") == width
    assert page.ask("document.querySelector('#trial-cpu-int8-t2-more').open")
    assert "calibrated on 512 rows" in page.text("#trial-cpu-int8-t2-more")
    assert page.problems == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/rollouts", "/rollouts/defects-3-1", "/devices", "/devices/d-00000004", "/groups"])
def test_pages_of_the_fleet_fit_their_screen_and_complain_of_nothing(page, address, path, width):
    page.resize(width, 900)

    page.open(f"{address}{path}")

    page.wait_for("window.htmx && document.querySelector('[aria-current=page]')")
    assert page.ask("document.documentElement.scrollWidth") == width
    assert page.problems == []


def test_a_session_that_has_ended_leads_back_to_the_login_page(page):
    page.call("Network.clearBrowserCookies")

    page.wait_for("location.pathname === '/login'")
    assert "Log in" in page.text("h1")


def test_logging_out_leads_to_the_login_page(page):
    page.ask("document.querySelector('.who button').click()")

    page.wait_for("location.pathname === '/login'")
