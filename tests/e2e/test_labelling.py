"""People label in a browser with the keyboard alone, on a wide screen and on a phone."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import uvicorn
from browser import CHROMIUM, Browser

from edgewright.hub.web.server import build_app
from scenes.dashboard import PASSWORD, empty_hub
from scenes.labelling import LABELLER, add_digits

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: debian-packages.txt names it"),
]


@pytest.fixture
def hub(tmp_path):
    hub = empty_hub(tmp_path / "hub")
    add_digits(hub, 3)
    yield hub
    hub.db.close()


@pytest.fixture
def page(hub, tmp_path):
    config = uvicorn.Config(build_app(hub), port=0, log_level="warning", lifespan="off")
    socket = config.bind_socket()
    socket.listen()
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    serving.start()
    with Browser(tmp_path / "profile") as chromium:
        address = f"http://127.0.0.1:{socket.getsockname()[1]}"
        chromium.open(f"{address}/login")
        chromium.ask(f"document.querySelector('#user').value = '{LABELLER}'")
        chromium.ask(f"document.querySelector('#password').value = '{PASSWORD}'")
        chromium.ask("document.querySelector('button').click()")
        chromium.wait_for("document.querySelector('main#main')")
        chromium.open(f"{address}/label/digits")
        chromium.wait_for("document.querySelector('.choices')")
        yield chromium
    server.should_exit = True
    serving.join()


def press(page, key):
    page.ask("window.isOld = true")
    page.ask(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))")
    page.wait_for("!window.isOld && document.readyState === 'complete'")


def keep_picture(page, name):
    folder = os.environ.get("EDGEWRIGHT_TEST_PICTURES")
    if folder:
        (Path(folder) / name).write_bytes(page.screenshot())


def test_keys_label_skip_and_take_back(hub, page):
    press(page, "7")
    press(page, "s")
    press(page, "3")
    press(page, "u")

    found = {item.id: item.label for item in hub.data.samples("digits")}
    assert found == {"lane-1:s0": 7, "lane-1:s1": None, "lane-1:s2": None}
    assert "1 of 3 labelled" in page.text("main")


@pytest.mark.parametrize(("width", "height", "name"), [(1280, 900, "wide"), (390, 844, "phone")])
def test_everything_fits_on_the_screen(page, width, height, name):
    page.resize(width, height)
    keep_picture(page, f"label-{name}.png")

    assert page.ask("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.ask("document.querySelector('.shown img').naturalWidth") == 8
    assert page.ask("Math.min(...[...document.querySelectorAll('.choices button')].map((b) => b.clientHeight))") >= 40
    assert page.problems == []


def test_the_end_says_that_all_is_done(page):
    for _ in range(3):
        press(page, "1")
    keep_picture(page, "label-end.png")

    assert "Everything is labelled" in page.text("main")
